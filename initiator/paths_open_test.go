package initiator

import (
	"context"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestOpenUnitsAtOnce: a LUN that does not say what it is keeps no other from being
// opened, and is not opened twice.
func TestOpenUnitsAtOnce(t *testing.T) {
	l := newPathsTarget(t, 2, func(tc *target.Config, _ *Config) {
		tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(1<<20, 512))
	})
	var err error
	if l.m, err = LoginPaths(timeout(t), l.cfgs); err != nil {
		t.Fatal(err)
	}
	gate := target.NewGate()
	defer gate.Release()
	held := l.OnExecute(target.All(target.SCSI(target.OpModeSense6), target.OnLUN(0)), target.Hold(gate))
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
