package initiator

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// otherHost logs in by a portal under another name and opens LUN 0.
func (l *pathsLab) otherHost(portal int) *Disk {
	l.t.Helper()
	cfg := l.cfgs[portal]
	cfg.InitiatorName += ".other"
	cfg.ISID = pdu.ISID{0x80, 9, 9, 9, 0, 9}
	s, err := Login(context.Background(), cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.Close() })
	d, err := s.OpenDisk(timeout(l.t), scsi.LUN{})
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// wantKeys checks, at the target, who holds the reservation and how many I_T
// nexuses are registered.
func (l *pathsLab) wantKeys(key uint64, n int) {
	l.t.Helper()
	var want []uint64
	for range n {
		want = append(want, ourKey)
	}
	if r := l.lun.Reservation(); r.Key != key || !slices.Equal(r.Keys, want) {
		l.t.Errorf("the target has %+v, want the key %#x and %d registrations", r, key, n)
	}
}

// TestUnitReserve: "Write Exclusive - Registrants Only" lets every registered I_T
// nexus write, and each path is one (SPC-4, Section 5.12): so all are registered,
// and all give their registration up.
func TestUnitReserve(t *testing.T) {
	l := newPathsLab(t, 2)
	if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
		t.Fatal(err)
	}
	l.wantKeys(ourKey, 2)
	if r := l.u.Reservation(); r.Key != ourKey || r.Lost != nil {
		t.Errorf("%+v", r)
	}
	for i := range l.portals { // whichever path is left can write
		if err := l.portals[i].Cut(); err != nil {
			t.Fatal(err)
		}
		l.awaitPaths(1)
		l.write(pattern(uint64(i), 4096), 0)
		l.holds(pattern(uint64(i), 4096), 0)
		if err := l.portals[i].Listen(); err != nil {
			t.Fatal(err)
		}
		l.awaitPaths(2)
	}
	other := l.otherHost(0)
	if err := writeTo(t, other, 3, 0); !errors.Is(err, ErrSCSI) {
		t.Errorf("another host writes: %v", err)
	}
	if err := l.u.Release(timeout(t)); err != nil {
		t.Error(err)
	}
	l.wantKeys(0, 0)
}

// TestUnitReservePathThatComesLate: a path that was not there registers before it
// is used.
func TestUnitReservePathThatComesLate(t *testing.T) {
	l := newPathsTarget(t, 2)
	if err := l.portals[1].StopListening(); err != nil {
		t.Fatal(err)
	}
	l.login()
	l.awaitPaths(1)
	if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
		t.Fatal(err)
	}
	l.wantKeys(ourKey, 1)
	if err := l.portals[1].Listen(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(2)
	l.wantKeys(ourKey, 2)
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	l.write(pattern(7, 4096), 0)
	l.holds(pattern(7, 4096), 0)
}

// TestUnitReservationLost: preempted, no path writes any more.
func TestUnitReservationLost(t *testing.T) {
	l := newPathsLab(t, 2)
	if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
		t.Fatal(err)
	}
	other := l.otherHost(1)
	if err := other.Reserve(timeout(t), theirKey, ourKey); err != nil {
		t.Fatal(err)
	}
	for range 4 { // both paths have their turns
		if err := l.u.WritevAt(timeout(t), [][]byte{pattern(1, 512)}, 0); !errors.Is(err, ErrReservationLost) {
			t.Errorf("a write after the preemption: %v", err)
		}
	}
	if r := l.u.Reservation(); !errors.Is(r.Lost, ErrReservationLost) {
		t.Errorf("%+v", r)
	}
	var by *ReservedError
	if err := l.u.Reserve(timeout(t), ourKey, 0); !errors.As(err, &by) || by.By.Key != theirKey {
		t.Errorf("reserved from another host: %v", err)
	}
	if err := l.u.Reserve(timeout(t), ourKey, theirKey); err != nil {
		t.Fatal(err)
	}
	l.write(pattern(2, 512), 0)
	l.wantKeys(ourKey, 2)
}

// TestUnitReserveAtForgetfulTarget: at a target that knows an I_T nexus by its session
// a path that comes back registers anew, and the release takes away what its earlier
// sessions left, also when a path is lost just then.
func TestUnitReserveAtForgetfulTarget(t *testing.T) {
	lun := target.NewMemoryLUN(8<<20, 512, target.SessionNexus())
	l := newPathsLab(t, 2, func(tc *target.Config, _ *Config) { tc.LUNs[0] = lun })
	l.lun = lun
	if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
		t.Fatal(err)
	}
	for i := range l.portals {
		l.portals[i].CutConnections()
		for n := range 8 { // by both paths
			l.write(pattern(uint64(n), 512), 0)
		}
		l.awaitPaths(2)
	}
	if r := l.u.Reservation(); r.Lost != nil {
		t.Error(r.Lost)
	}
	l.portals[1].CutConnections()
	if err := l.u.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	l.wantKeys(0, 0)
}
