package initiator

import (
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestUnitReset: one LOGICAL UNIT RESET ends the commands of all paths (SAM-5,
// Section 6.3.3), and all of them are sent again; a path that is lost is passed
// over.
func TestUnitReset(t *testing.T) {
	l := newPathsLab(t, 3)
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(2)
	writes := l.holdWrites(2, 512)
	if n := l.byPortal(target.OpWrite10); n[2] != 1 || n[3] != 1 {
		t.Fatalf("writes by portal group: %v", n)
	}
	epoch := l.u.Epoch()
	if err := l.u.Reset(timeout(t)); err != nil {
		t.Fatal(err)
	}
	for i, w := range writes {
		if err := result(t, w); err != nil {
			t.Errorf("write %d: %v", i, err)
		}
		l.holds(pattern(uint64(i), 512), int64(i)*512)
	}
	if n := l.resets(); n != 1 {
		t.Errorf("%d LOGICAL UNIT RESETs", n)
	}
	if l.u.Epoch() == epoch {
		t.Error("the epoch is the same after a reset")
	}
}

// TestUnitResetWithoutPath: there is nobody to tell it to.
func TestUnitResetWithoutPath(t *testing.T) {
	l := newPathsLab(t, 1)
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(0)
	if err := l.u.Reset(timeout(t)); !errors.Is(err, ErrSessionLost) {
		t.Errorf("without a path: %v", err)
	}
	if err := l.u.Close(); err != nil {
		t.Error(err)
	}
	if err := l.u.Reset(timeout(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
