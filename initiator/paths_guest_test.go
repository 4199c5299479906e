package initiator

import (
	"context"
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

const otherName = "iqn.2026-11.org.example:disks-b"

// guestLab is a unit whose target shows it under a second name too, by the second
// portal, and beside it another as LUN 1.
type guestLab struct {
	*pathsLab
	guest *Paths
}

// newGuestLab logs in to both names, and opens the unit by the first.
func newGuestLab(t *testing.T) *guestLab {
	t.Helper()
	other := target.NewMemoryLUN(1<<20, 512, target.Number(1))
	l := &guestLab{pathsLab: newPathsTarget(t, 2, func(tc *target.Config, _ *Config) {
		tc.Others = []target.Node{{IQN: otherName, LUNs: []*target.LUN{tc.LUNs[0], other}}}
	})}
	cfg := l.cfgs[1]
	cfg.TargetName, cfg.ISID = otherName, pdu.ISID{0x80, 1, 2, 3, 1, 0}
	l.cfgs = l.cfgs[:1]
	l.login()
	var err error
	if l.guest, err = LoginPaths(timeout(t), []Config{cfg}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.guest.Close() })
	return l
}

func (l *guestLab) join() {
	l.t.Helper()
	if err := l.guest.JoinUnit(timeout(l.t), scsi.LUN{}, l.u); err != nil {
		l.t.Fatal(err)
	}
	l.awaitPaths(2)
}

// numbered is LUN n in the form that the target reports.
func numbered(n byte) scsi.LUN { return scsi.LUN{0, n} }

// TestPathUnderAnotherName: what a unit is by another target name is a path of it
// as any other is, when the one and when the other is lost.
func TestPathUnderAnotherName(t *testing.T) {
	l := newGuestLab(t)
	l.join()
	for round := range 2 {
		cut := l.portals[round%2]
		if err := cut.Cut(); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			l.write(pattern(uint64(round*20+i), 4096), int64(i)*4096)
		}
		if err := l.u.Sync(timeout(t)); err != nil {
			t.Fatal(err)
		}
		if err := cut.Listen(); err != nil {
			t.Fatal(err)
		}
		l.awaitPaths(2)
		for i := range 20 {
			l.holds(pattern(uint64(round*20+i), 4096), int64(i)*4096)
		}
		if lun := l.u.Info().LUN; lun != (scsi.LUN{}) {
			t.Errorf("the unit calls itself LUN %v, as which it was not opened", lun)
		}
	}
}

// TestGhostUnderAnotherName: a write that was unanswered when its path under the
// one name was lost does not come back after a later one under the other.
func TestGhostUnderAnotherName(t *testing.T) {
	l := newGuestLab(t)
	l.join()
	v1, v2 := pattern(1, 4096), pattern(2, 4096)
	gate := l.writeOverLostPath(v1)
	l.holds(v1, 0)
	l.write(v2, 0)
	gate.Release()
	l.holds(v2, 0)
	if l.resets() == 0 {
		t.Error("nothing has ended the write of the lost path")
	}
}

// TestGuestLeaves: what is under way is waited for, nothing more goes out, and the
// unit, and the other LUNs of the guest, live on.
func TestGuestLeaves(t *testing.T) {
	l := newGuestLab(t)
	l.join()
	epoch := l.u.Epoch()
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	writes := []<-chan error{l.startWrite(pattern(1, 512), 0), l.startWrite(pattern(2, 512), 512)}
	if !held.Await(2, soon) {
		t.Fatal("the writes do not use both paths")
	}
	held.Remove()
	left := async(func() error { l.guest.LeaveUnit(l.u); return nil })
	await(t, "the path to be taken out", func() bool {
		l.u.mu.Lock()
		defer l.u.mu.Unlock()
		return l.u.leftLocked() == 1
	})
	select {
	case <-left:
		t.Error("the guest has left while its write was under way")
	default:
	}
	gate.Release()
	for _, w := range append(writes, left) {
		if err := result(t, w); err != nil {
			t.Error(err)
		}
	}
	before := l.byPortal(target.OpWrite10)
	for i := range 8 {
		l.write(pattern(uint64(i), 512), int64(i)*512)
	}
	if n := l.byPortal(target.OpWrite10); n[2] != before[2] || len(l.u.disks()) != 1 {
		t.Errorf("writes by portal group: %v, then %v; the path is still used", before, n)
	}
	if l.u.Epoch() < epoch {
		t.Error("the epoch goes back")
	}
	d, err := l.guest.OpenUnit(timeout(t), numbered(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ReadvAt(timeout(t), [][]byte{make([]byte, 512)}, 0); err != nil {
		t.Error(err)
	}
	l.join() // again
}

// TestGuestLeavesAGhost: a guest that leaves while its session is lost leaves no
// write behind.
func TestGuestLeavesAGhost(t *testing.T) {
	l := newGuestLab(t)
	l.join()
	gate := target.NewGate()
	defer gate.Release()
	held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	a, b := pattern(1, 512), pattern(2, 512)
	writes := []<-chan error{l.startWrite(a, 0), l.startWrite(b, 512)}
	if !held.Await(2, soon) {
		t.Fatal("the writes do not use both paths")
	}
	held.Remove()
	reset := target.NewGate()
	defer reset.Release()
	l.OnReceive(target.Opcode(pdu.OpTaskMgmtReq), target.Hold(reset))
	left := async(func() error { l.guest.LeaveUnit(l.u); return nil })
	if err := l.portals[1].Cut(); err != nil {
		t.Fatal(err)
	}
	if err := result(t, left); err != nil {
		t.Error(err)
	}
	l.u.mu.Lock()
	if l.u.hauntedSince.IsZero() {
		t.Error("writes may go out that those of the lost path can overwrite")
	}
	l.u.mu.Unlock()
	reset.Release()
	for _, w := range writes {
		if err := result(t, w); err != nil {
			t.Error(err)
		}
	}
	c, d := pattern(3, 512), pattern(4, 512)
	l.write(c, 0)
	l.write(d, 512)
	gate.Release()
	l.holds(c, 0)
	l.holds(d, 512)
	l.awaitPaths(1)
	if n := len(l.u.disks()); n != 1 {
		t.Errorf("%d paths are left of 1", n)
	}
}

// TestGuestOfAnotherUnit: a LUN that is another unit is no path.
func TestGuestOfAnotherUnit(t *testing.T) {
	l := newGuestLab(t)
	if err := l.guest.JoinUnit(timeout(t), numbered(1), l.u); !errors.Is(err, ErrIdentity) {
		t.Errorf("another unit joins: %v", err)
	}
	if n := len(l.u.disks()); n != 1 {
		t.Errorf("%d paths", n)
	}
	l.join()
	for name, m := range map[string]*Paths{"a guest": l.guest, "the home": l.m} {
		if err := m.JoinUnit(timeout(t), numbered(1), l.u); err == nil {
			t.Errorf("%s joins by two LUNs", name)
		}
	}
}

// TestHomeEnds: with its home a unit ends for its guests too, and they can open it.
func TestHomeEnds(t *testing.T) {
	l := newGuestLab(t)
	l.join()
	if err := l.m.Logout(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if err := l.u.ReadvAt(context.Background(), [][]byte{make([]byte, 512)}, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("a read of a unit that has ended: %v", err)
	}
	l.guest.LeaveUnit(l.u)
	u, err := l.guest.OpenUnit(timeout(t), scsi.LUN{})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.WritevAt(timeout(t), [][]byte{pattern(9, 512)}, 0); err != nil {
		t.Error(err)
	}
}
