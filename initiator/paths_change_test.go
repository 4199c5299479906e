package initiator

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestRemovePath: a path that is removed logs out, no access fails of it, and it can be
// added again.
func TestRemovePath(t *testing.T) {
	l := newPathsLab(t, 2)
	for round := range 3 {
		portal := l.portals[round%2].Addr()
		gate := target.NewGate()
		rule := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
		var writes []<-chan error
		for i := range 8 {
			writes = append(writes, l.startWrite(pattern(uint64(round*8+i), 512), int64(i)*512))
		}
		if !rule.Await(8, soon) {
			t.Fatal("the writes are not under way")
		}
		removed := async(func() error { return l.m.Remove(timeout(t), portal) })
		await(t, "the path is left", func() bool { return l.u.Status().State == DiskReady && l.usable() == 1 })
		select {
		case err := <-removed:
			t.Fatalf("removed with writes under way: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		gate.Release()
		rule.Remove()
		for i, w := range writes {
			if err := result(t, w); err != nil {
				t.Errorf("write %d: %v", i, err)
			}
			l.holds(pattern(uint64(round*8+i), 512), int64(i)*512)
		}
		if err := result(t, removed); err != nil {
			t.Fatal(err)
		}
		await(t, "one session at the target", func() bool { return len(l.Sessions()) == 1 })
		if n := len(l.m.PathStatus()); n != 1 {
			t.Errorf("%d paths", n)
		}
		l.write(pattern(99, 512), 0)
		if err := l.m.Add(timeout(t), l.cfgs[round%2:round%2+1]); err != nil {
			t.Fatal(err)
		}
		l.awaitPaths(2)
		if n := len(l.Sessions()); n != 2 {
			t.Errorf("%d sessions at the target", n)
		}
	}
	if n := l.resets(); n != 0 {
		t.Errorf("%d resets: an orderly end leaves nothing to be ended", n)
	}
}

func (l *pathsLab) usable() int {
	l.u.mu.Lock()
	defer l.u.mu.Unlock()
	return l.u.leftLocked()
}

// TestRemoveSilentPath: what is under way on a path that does not answer is made again
// on the other, when nothing of it can come late any more.
func TestRemoveSilentPath(t *testing.T) {
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.LoginTimeout = time.Second })
	gate := target.NewGate()
	defer gate.Release()
	stuck := l.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.Hold(gate))
	write := l.startWrite(pattern(1, 512), 0)
	if !stuck.Await(1, soon) {
		t.Fatal("no write")
	}
	portal := l.portals[0]
	if n := l.byPortal(target.OpWrite10); n[2] == 1 {
		portal = l.portals[1]
	}
	stall := l.OnReceive(portal.At(), target.Stall(gate))
	defer stall.Remove()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.m.Remove(ctx, portal.Addr()); err == nil {
		t.Error("a silent target has answered the logout")
	}
	if err := result(t, write); err != nil {
		t.Error(err)
	}
	l.holds(pattern(1, 512), 0)
	if l.resets() == 0 {
		t.Error("the write of the removed path may still be executed")
	}
	l.awaitPaths(1)
}

// TestRemoveLastPath: accesses wait for the next one.
func TestRemoveLastPath(t *testing.T) {
	l := newPathsLab(t, 1)
	if err := l.m.Remove(timeout(t), l.portals[0].Addr()); err != nil {
		t.Fatal(err)
	}
	write := l.startWrite(pattern(1, 512), 0)
	if err := l.m.Add(timeout(t), l.cfgs); err != nil {
		t.Fatal(err)
	}
	if err := result(t, write); err != nil {
		t.Error(err)
	}
	l.awaitPaths(1)
}

// TestAddAbsentPath: the first try tells why; it goes on being tried.
func TestAddAbsentPath(t *testing.T) {
	l := newPathsTarget(t, 2)
	all := l.cfgs
	l.cfgs = all[:1]
	l.login()
	if err := l.portals[1].StopListening(); err != nil {
		t.Fatal(err)
	}
	if err := l.m.Add(timeout(t), all[1:]); err == nil {
		t.Error("nobody listens, and the path is there")
	}
	if err := l.portals[1].Listen(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(2)
	if err := l.m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.m.Add(timeout(t), all[1:]); !errors.Is(err, ErrClosed) {
		t.Errorf("added to what is closed: %v", err)
	}
}
