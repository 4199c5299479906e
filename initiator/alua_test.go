package initiator

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// awaitAccess waits until the unit knows the access states of its paths.
func (l *pathsLab) awaitAccess(want ...scsi.AccessState) {
	l.t.Helper()
	await(l.t, "the access states", func() bool {
		l.u.mu.Lock()
		defer l.u.mu.Unlock()
		for _, p := range l.u.paths {
			if p.access != want[p.port.Group-1] {
				return false
			}
		}
		return len(l.u.paths) == len(want)
	})
}

// TestBestStateIsUsed: of the paths only those in the best access state are used.
func TestBestStateIsUsed(t *testing.T) {
	l := newPathsTarget(t, 3)
	l.SetAccessState(1, target.ActiveNonOptimized)
	l.login()
	l.awaitAccess(scsi.ActiveNonOptimized, scsi.ActiveOptimized, scsi.ActiveOptimized)
	for range 10 {
		l.read(512, 0)
	}
	if n := l.byPortal(target.OpRead10); n[1] != 0 || n[2] != 5 || n[3] != 5 {
		t.Errorf("reads by portal group: %v", n)
	}
	if st := l.m.PathStatus(); st[0].Access[0] != scsi.ActiveNonOptimized || st[1].Access[0] != scsi.ActiveOptimized {
		t.Errorf("paths: %+v", st)
	}
	// The optimized ones fail: the other is better than none.
	for _, p := range l.portals[1:] {
		if err := p.Cut(); err != nil {
			t.Fatal(err)
		}
	}
	l.write(pattern(1, 512), 0)
	l.holds(pattern(1, 512), 0)
}

// TestStandbyPath: a path that is in standby from the beginning joins, though its
// medium cannot be looked at, and is used when the states change.
func TestStandbyPath(t *testing.T) {
	for name, state := range map[string]target.AccessState{"standby": target.Standby, "unavailable": target.Unavailable} {
		t.Run(name, func(t *testing.T) {
			l := newPathsTarget(t, 2)
			l.SetAccessState(1, state)
			l.login()
			l.awaitAccess(scsi.AccessState(state), scsi.ActiveOptimized)
			if l.u.Size() != 8<<20 {
				t.Errorf("size %d", l.u.Size())
			}
			for range 4 {
				l.read(512, 0)
			}
			if n := l.byPortal(target.OpRead10); n[1] != 0 {
				t.Errorf("reads by portal group: %v", n)
			}
			l.SetAccessState(2, state)
			l.SetAccessState(1, target.ActiveOptimized)
			l.write(pattern(1, 512), 0)
			l.holds(pattern(1, 512), 0)
		})
	}
}

// TestTransition: commands wait while all port groups are between two states, and
// go on when the target is done.
func TestTransition(t *testing.T) {
	l := newPathsLab(t, 2)
	for _, tag := range []uint16{1, 2} {
		l.SetAccessState(tag, target.Transitioning)
	}
	w := l.startWrite(pattern(1, 512), 0)
	l.awaitAccess(scsi.Transitioning, scsi.Transitioning)
	select {
	case err := <-w:
		t.Fatalf("a write in transition: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	l.SetAccessState(2, target.ActiveNonOptimized)
	if err := result(t, w); err != nil {
		t.Error(err)
	}
	l.holds(pattern(1, 512), 0)
}

// TestAllStandby: with no active path left accesses wait, and fail as if the
// sessions were lost, naming the state.
func TestAllStandby(t *testing.T) {
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.ReplacementTimeout = 300 * time.Millisecond })
	l.SetAccessState(1, target.Standby)
	l.SetAccessState(2, target.Unavailable)
	err := l.u.WritevAt(timeout(t), [][]byte{pattern(1, 512)}, 0)
	if !errors.Is(err, ErrSessionLost) || !bytes.Contains([]byte(err.Error()), []byte("standby")) {
		t.Errorf("error %v", err)
	}
	l.SetAccessState(1, target.ActiveOptimized)
	l.awaitPaths(1)
	l.write(pattern(1, 512), 0)
}

// TestTransitionFailed: 2A/07 makes the unit ask for the states again.
func TestTransitionFailed(t *testing.T) {
	l := newPathsLab(t, 2)
	l.awaitNoQuestion()
	before := l.Counters().ByOpcode[target.OpMaintenanceIn]
	l.FailTransition()
	l.read(512, 0)
	await(t, "REPORT TARGET PORT GROUPS", func() bool {
		return l.Counters().ByOpcode[target.OpMaintenanceIn] > before
	})
}

// TestStatesAfterReset: a reset or power on takes the place of older unit attentions
// (SAM-5, Section 5.14), so that a change of the states may have gone with it.
func TestStatesAfterReset(t *testing.T) {
	l := newPathsLab(t, 2)
	l.awaitNoQuestion()
	before := l.Counters().ByOpcode[target.OpMaintenanceIn]
	l.lun.QueueUnitAttention(0x29, 0x00)
	l.read(512, 0)
	await(t, "REPORT TARGET PORT GROUPS", func() bool {
		return l.Counters().ByOpcode[target.OpMaintenanceIn] > before
	})
}

// TestStatesAskedAgain: a change that was announced is asked for until a path answers, also
// when both have announced it by then.
func TestStatesAskedAgain(t *testing.T) {
	l := newPathsLab(t, 2)
	l.awaitNoQuestion()
	refused := l.OnExecute(target.Between(1, 4, target.SCSI(target.OpMaintenanceIn)), target.AnswerWith(target.CheckCondition(4, 0x44, 0)))
	l.SetAccessState(1, target.ActiveNonOptimized)
	l.read(512, 0)
	if !refused.Await(4, soon) {
		t.Fatal("nobody asks for the states")
	}
	l.awaitAccess(scsi.ActiveNonOptimized, scsi.ActiveOptimized)
}

// awaitNoQuestion waits until the states that are known need not be asked for.
func (l *pathsLab) awaitNoQuestion() {
	l.t.Helper()
	await(l.t, "the first questions", func() bool {
		l.u.mu.Lock()
		defer l.u.mu.Unlock()
		return !l.u.refreshing
	})
}

// TestStatesUnderLoad: the states change all the time under reads and writes; no
// access fails, and each block holds what was written last.
func TestStatesUnderLoad(t *testing.T) {
	l := newPathsLab(t, 3)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() { l.writeAndRead(w, stop) })
	}
	states := []target.AccessState{target.Standby, target.ActiveOptimized, target.Transitioning, target.ActiveNonOptimized, target.Unavailable}
	for i := range 40 {
		before := l.Counters().ByOpcode[target.OpWrite10]
		l.SetAccessState(uint16(i%3+1), states[i%len(states)])
		l.SetAccessState(uint16((i+1)%3+1), target.ActiveOptimized)
		if i%10 == 9 {
			l.portals[i%3].CutConnections()
		}
		await(t, "writes", func() bool { return l.Counters().ByOpcode[target.OpWrite10] > before+10 })
	}
	close(stop)
	all.Wait()
}

// TestWithoutTPGS: a target that knows no port groups is not asked for them, and
// all its paths are used.
func TestWithoutTPGS(t *testing.T) {
	l := newPathsLab(t, 2, func(tc *target.Config, _ *Config) { tc.TPGS = 0 })
	for range 4 {
		l.read(512, 0)
	}
	if n := l.byPortal(target.OpRead10); n[1] != 2 || n[2] != 2 {
		t.Errorf("reads by portal group: %v", n)
	}
	if n := l.Counters().ByOpcode[target.OpMaintenanceIn]; n != 0 {
		t.Errorf("asked for target port groups %d times", n)
	}
}

// TestLyingTPGS: a target that has TPGS and knows no REPORT TARGET PORT GROUPS is
// used all the same.
func TestLyingTPGS(t *testing.T) {
	l := newPathsTarget(t, 2)
	l.OnExecute(target.SCSI(target.OpMaintenanceIn), target.AnswerWith(target.CheckCondition(5, 0x20, 0)))
	l.login()
	l.awaitPaths(2)
	l.write(pattern(1, 512), 0)
}

// TestUnitAllocations: a unit costs no allocation on top of its disks.
func TestUnitAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const n = 4096
	p := newWirePeer(t, "")
	s, w := p.login()
	go respondToAll(w.nc, n)
	u := newUnit(new(Paths), rawDisk(s, scsi.LUN{}), time.Minute)
	defer u.end()
	bufs, ctx := [][]byte{make([]byte, n)}, context.Background()
	for name, f := range map[string]func() error{
		"ReadvAt":  func() error { return u.ReadvAt(ctx, bufs, 4096) },
		"WritevAt": func() error { return u.WritevAt(ctx, bufs, 4096) },
	} {
		if allocs := testing.AllocsPerRun(2000, func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}); allocs > 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
