package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/fusefs"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// One unit has one key by whatever portal, others have others; a designator that is
// not unique in the world does not make one unit of two targets'.
func TestUnitKey(t *testing.T) {
	unit := func(iqn, portal string, number uint64) *lun {
		t := &target{}
		t.current.Store(&config.Target{IQN: iqn})
		return &lun{target: t, portal: portal, number: number,
			disk: newFakeDisk(scsi.PeripheralLUN(1), "weak")}
	}
	first := unitKey(unit(iqnA, "localhost:3260", 1))
	if unitKey(unit(iqnA, "127.0.0.1:3260", 1)) != first {
		t.Error("another portal makes another unit")
	}
	if unitKey(unit(iqnB, "localhost:3260", 1)) == first || unitKey(unit(iqnA, "localhost:3260", 2)) == first {
		t.Error("another target's or LUN's unit has the same key")
	}
	strong := func(iqn string) string {
		l := unit(iqn, "localhost:3260", 1)
		l.disk.(*fakeDisk).info.Designators = []scsi.Designator{worldWide}
		return unitKey(l)
	}
	if strong(iqnA) != strong(iqnB) {
		t.Error("a unit that is known in the world has two keys")
	}
}

// A start that waits for another daemon says for whom, once.
func TestWaitIsTold(t *testing.T) {
	first := served(t, newSite(newFakeSession(iqnA, 1))) // has no real mount, and so looks as if it were about to end
	s := newSite(newFakeSession(iqnA, 1))
	opts := s.options(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var told []string
	opts.OnWait = func(line string) {
		told = append(told, line)
		time.AfterFunc(3*flushPoll, cancel)
	}
	_, err := start(ctx, opts, s.login, func(*fusefs.FS, *Options) (mount, error) { return s.mount, nil })
	if !errors.Is(err, context.Canceled) || len(told) != 1 {
		t.Fatalf("told %q, %v", told, err)
	}
	for _, words := range []string{fmt.Sprintf("process %d ", os.Getpid()), first.opts.Mountpoint} {
		if !strings.Contains(told[0], words) {
			t.Errorf("%q does not name %s", told[0], words)
		}
	}
}
