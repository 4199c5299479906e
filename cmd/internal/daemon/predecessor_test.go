package daemon

import (
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

func (d *fakeDisk) resetCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.resets
}

// What is to be written is reset once, what is only read is not.
func TestPredecessorIsEnded(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 7)
	s := newSite(a, b)
	s.cfg.Targets[1].ReadOnly = true
	served(t, s)
	if written, read := a.disk(1).resetCount(), b.disk(7).resetCount(); written != 1 || read != 0 {
		t.Errorf("%d resets of what is written, %d of what is read", written, read)
	}
}

// A LUN that is write-protected is reset when it may be written.
func TestPredecessorIsEndedAtGate(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	disk := a.disk(1)
	disk.info.Mode.WriteProtect = true
	d := served(t, newSite(a))
	if n := disk.resetCount(); n != 0 {
		t.Errorf("%d resets while it is protected", n)
	}
	disk.change(func() { disk.info.Mode.WriteProtect, disk.resetErr = false, initiator.ErrTimeout })
	l := d.attached()[0]
	if err := d.follow(t.Context(), l); !errors.Is(err, initiator.ErrTimeout) || !l.disk.ReadOnly() {
		t.Errorf("writable though old writes may come: %v", err)
	}
	disk.change(func() { disk.resetErr = nil })
	if err := d.follow(t.Context(), l); err != nil || l.disk.ReadOnly() || disk.resetCount() != 2 {
		t.Errorf("%v, read-only %v, %d resets", err, l.disk.ReadOnly(), disk.resetCount())
	}
}

// A target that knows no reset is mounted; one that does not answer is not.
func TestPredecessorCannotBeEnded(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	a.disk(1).resetErr = errors.New("TARGET WARM RESET is refused")
	served(t, newSite(a))
	for _, cause := range []error{initiator.ErrTimeout, initiator.ErrSessionLost} {
		b := newFakeSession(iqnB, 1)
		b.disk(1).resetErr = &initiator.Error{Op: "reset", Target: iqnB, Err: cause}
		if _, err := newSite(b).start(t); !errors.Is(err, cause) || exitcode.Of(err) != int(exitcode.Unreachable) {
			t.Errorf("mounted, or exit code %d: %v", exitcode.Of(err), err)
		}
	}
}

// A session that is lost while a LUN is readied is waited for, as under any access: the
// mount does not fail of it.
func TestSessionLostBeforeTheReset(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	a.disk(1).lostResets = 2
	s := newSite(a)
	s.cfg.Targets[0].Session.ReplacementTimeout = config.Timeout(10 * time.Second)
	d := served(t, s)
	wantPaths(t, d, "lun1")
	if n := a.disk(1).resetCount(); n != 3 {
		t.Errorf("%d resets, two of which failed", n)
	}
}
