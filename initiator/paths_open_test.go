package initiator

import (
	"context"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// holdIdentity keeps LUN 0 from saying what it is, by any path, until the gate opens.
func (l *pathsLab) holdIdentity() (held *target.Rule, gate *target.Gate) {
	gate = target.NewGate()
	l.t.Cleanup(gate.Release)
	return l.OnExecute(target.All(target.SCSI(target.OpModeSense6), target.OnLUN(0)), target.Hold(gate)), gate
}

// TestOpenUnitsAtOnce: a LUN that does not say what it is keeps no other from being
// opened, and is not opened twice.
func TestOpenUnitsAtOnce(t *testing.T) {
	l := newPathsTarget(t, 2, twoLUNs)
	var err error
	if l.m, err = LoginPaths(timeout(t), l.cfgs); err != nil {
		t.Fatal(err)
	}
	held, gate := l.holdIdentity()
	open := func() error { _, err := l.m.OpenUnit(context.Background(), scsi.LUN{}); return err }
	first, second := async(open), async(open)
	if !held.Await(4, soon) {
		t.Fatal("the LUN is not asked what it is")
	}
	if _, err := l.m.OpenUnit(timeout(t), scsi.LUN{0, 1}); err != nil {
		t.Errorf("open LUN 1: %v", err)
	}
	gate.Release()
	if a, b := result(t, first), result(t, second); (a == nil) == (b == nil) {
		t.Errorf("opened twice: %v and %v, want one error", a, b)
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if len(l.m.units) != 2 {
		t.Errorf("%d units, want 2", len(l.m.units))
	}
}

// TestPathWaitsForOpening: nor does it with a path that comes meanwhile, which can join
// only when it has said so.
func TestPathWaitsForOpening(t *testing.T) {
	l := newPathsTarget(t, 2, twoLUNs)
	if err := l.portals[1].Cut(); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.m, err = LoginPaths(timeout(t), l.cfgs); err != nil {
		t.Fatal(err)
	}
	held, gate := l.holdIdentity()
	first := async(func() (err error) { l.u, err = l.m.OpenUnit(context.Background(), scsi.LUN{}); return err })
	if !held.Await(1, soon) {
		t.Fatal("the LUN is not asked what it is")
	}
	if err := l.portals[1].Listen(); err != nil {
		t.Fatal(err)
	}
	await(t, "the other path", func() bool { return len(l.m.sessions()) == 2 })
	for range 10 { // one of them after the path has begun to wait
		second, err := l.m.OpenUnit(timeout(t), scsi.LUN{0, 1})
		if err != nil {
			t.Fatalf("open LUN 1: %v", err)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
	}
	gate.Release()
	if err := result(t, first); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(2)
}

// TestPathNotReadyHoldsNobody: a path by which a LUN does not get ready, however long that
// is waited for, keeps other LUNs from being opened for a while only, and can be removed.
func TestPathNotReadyHoldsNobody(t *testing.T) {
	l := newPathsTarget(t, 2, twoLUNs, func(_ *target.Config, c *Config) {
		c.CommandTimeout, c.ReplacementTimeout = time.Second, -1
	})
	if err := l.portals[1].Cut(); err != nil {
		t.Fatal(err)
	}
	l.login()
	busy := l.OnExecute(target.All(target.SCSI(target.OpTestUnitReady), target.OnLUN(0), l.portals[1].At()), target.AnswerWith(target.CheckCondition(2, 4, 1)))
	if err := l.portals[1].Listen(); err != nil {
		t.Fatal(err)
	}
	if !busy.Await(1, soon) {
		t.Fatal("the other path is not tried")
	}
	if _, err := l.m.OpenUnit(timeout(t), scsi.LUN{0, 1}); err != nil {
		t.Errorf("open LUN 1: %v", err)
	}
	if !busy.Await(busy.Count()+1, soon) {
		t.Fatal("the other path is not tried again")
	}
	if err := result(t, async(func() error { return l.m.Remove(timeout(t), l.portals[1].Addr()) })); err != nil {
		t.Error(err)
	}
}
