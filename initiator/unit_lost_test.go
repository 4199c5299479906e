package initiator

import (
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestUnitLostWhileIdle: a unit whose paths stay away for the replacement timeout is
// lost, and its user hears of it once, though nobody accesses it; and when a path is
// back, of that.
func TestUnitLostWhileIdle(t *testing.T) {
	const patience = 300 * time.Millisecond
	var events eventLog
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.ReplacementTimeout, c.OnEvent = patience, events.add })
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(1)
	if err := l.portals[1].Cut(); err != nil {
		t.Fatal(err)
	}
	await(t, "the unit to be lost", func() bool { return l.u.Status().State == DiskLost })
	if st := l.u.Status(); time.Since(st.Since) < patience || st.Reason == nil {
		t.Errorf("lost %v after the last path, for %v", time.Since(st.Since), st.Reason)
	}
	events.await(t, LUNLost, scsi.LUN{}, ErrSessionLost)
	if err := l.u.ReadvAt(timeout(t), [][]byte{make([]byte, 512)}, 0); !errors.Is(err, ErrSessionLost) {
		t.Errorf("a read: %v", err)
	}
	if n := events.len(); n != 0 {
		t.Errorf("%d more events", n)
	}
	for _, p := range l.portals {
		if err := p.Listen(); err != nil {
			t.Fatal(err)
		}
	}
	events.await(t, LUNBack, scsi.LUN{}, nil)
	l.awaitPaths(2)
	if st := l.u.Status(); st.State != DiskReady {
		t.Errorf("status %v", st.State)
	}
}

// TestUnitBackInTime: a path that is back within the replacement timeout keeps the
// unit, and nobody hears of the other; the next loss gets a time of its own.
func TestUnitBackInTime(t *testing.T) {
	var events eventLog
	l := newPathsLab(t, 1, func(_ *target.Config, c *Config) { c.OnEvent = events.add })
	for range 2 {
		if err := l.portals[0].Cut(); err != nil {
			t.Fatal(err)
		}
		l.awaitPaths(0)
		l.u.mu.Lock()
		if running := l.u.expiry.Timer != nil; !running {
			t.Error("nothing bounds the waiting for a path")
		}
		l.u.mu.Unlock()
		if err := l.portals[0].Listen(); err != nil {
			t.Fatal(err)
		}
		l.awaitPaths(1)
		l.u.mu.Lock()
		if l.u.expiry.Timer != nil {
			t.Error("the unit is given up though a path is back")
		}
		l.u.mu.Unlock()
		l.u.expire() // as if it had fired at that moment
	}
	if st := l.u.Status(); st.State != DiskReady || l.u.gone {
		t.Errorf("status %v, lost %t", st.State, l.u.gone)
	}
	events.mu.Lock()
	defer events.mu.Unlock()
	for _, e := range events.all {
		if e.Kind == LUNLost || e.Kind == LUNBack {
			t.Errorf("told of: %v", e.Kind)
		}
	}
}
