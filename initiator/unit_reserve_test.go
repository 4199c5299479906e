package initiator

import (
	"context"
	"errors"
	"slices"
	"sync"
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

// TestUnitReservationLostByOnePath: what one path has found out holds for all: the
// other host may have let go by now, and the other paths would write over what it wrote.
func TestUnitReservationLostByOnePath(t *testing.T) {
	l := newPathsLab(t, 2)
	if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
		t.Fatal(err)
	}
	l.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.AnswerWith(target.Answer{Status: 0x18}))
	for range 5 {
		if err := l.u.WritevAt(timeout(t), [][]byte{pattern(1, 512)}, 0); !errors.Is(err, ErrReservationLost) {
			t.Errorf("a write after RESERVATION CONFLICT: %v", err)
		}
	}
	if n := l.Counters().ByOpcode[target.OpWrite10]; n != 1 {
		t.Errorf("%d writes were sent, the first of them was the last that may be", n)
	}
	if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		l.write(pattern(uint64(i), 512), 0)
	}
	l.holds(pattern(3, 512), 0)
}

// TestReservationFound: whether the key held the reservation before is what the first
// answer says; what one path has taken the next one does not find.
func TestReservationFound(t *testing.T) {
	l := newPathsLab(t, 2)
	for _, found := range []bool{false, true} {
		if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
			t.Fatal(err)
		}
		if r := l.u.Reservation(); r.Found != found {
			t.Errorf("%+v, want Found %v", r, found)
		}
	}
	if err := l.u.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	// A path whose session is lost before it knows what it has done has nothing to say,
	// and who comes next finds its work.
	l.OnSend(target.Once(target.All(target.OfCommand(target.OpPersistentReserveOut), func(e *target.Event) bool { return e.CDB[1] == byte(scsi.Reserve) })), target.CutBefore())
	if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
		t.Fatal(err)
	}
	if r := l.u.Reservation(); r.Found {
		t.Errorf("%+v", r)
	}
}

// TestUnitReserveUnavailablePath: a path in a state in which the target takes no
// PERSISTENT RESERVE OUT (SPC-4, Section 5.15.2.4.5) keeps no other from reserving, and
// registers before it is used.
func TestUnitReserveUnavailablePath(t *testing.T) {
	for name, state := range map[string]target.AccessState{"unavailable": target.Unavailable, "standby": target.Standby, "transitioning": target.Transitioning} {
		t.Run(name, func(t *testing.T) {
			l := newPathsTarget(t, 2)
			l.SetAccessState(1, state)
			l.login()
			l.awaitAccess(scsi.AccessState(state), scsi.ActiveOptimized)
			if err := l.u.Reserve(timeout(t), ourKey, 0); err != nil {
				t.Fatal(err)
			}
			l.write(pattern(1, 512), 0)
			l.SetAccessState(1, target.ActiveOptimized)
			l.SetAccessState(2, state)
			for i := range 4 {
				l.write(pattern(uint64(i), 512), 0)
			}
			l.holds(pattern(3, 512), 0)
			l.SetAccessState(2, target.ActiveOptimized)
			l.awaitPaths(2)
			l.wantKeys(ourKey, 2)
			if r := l.u.Reservation(); r.Lost != nil {
				t.Error(r.Lost)
			}
		})
	}
}

// TestUnitReserveWhilePathJoins: a path that joins during Reserve has its part in it.
func TestUnitReserveWhilePathJoins(t *testing.T) {
	l := newPathsTarget(t, 2)
	cfg := l.cfgs[1]
	l.cfgs = l.cfgs[:1]
	l.login()
	cfg.path, cfg.ReplacementTimeout = "the late one", 0
	s, err := Login(timeout(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := s.OpenDisk(timeout(t), scsi.LUN{})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock() // it gets as far as this
	goOn := sync.OnceFunc(s.mu.Unlock)
	defer goOn()
	joined := async(func() error { return l.u.admit(context.Background(), d) })
	await(t, "the path to hold Reserve up", func() bool {
		if !l.u.reserving.TryLock() {
			return true
		}
		l.u.reserving.Unlock()
		return false
	})
	reserved := async(func() error { return l.u.Reserve(timeout(t), ourKey, 0) })
	goOn()
	for _, c := range []<-chan error{joined, reserved} {
		if err := result(t, c); err != nil {
			t.Fatal(err)
		}
	}
	l.wantKeys(ourKey, 2)
}
