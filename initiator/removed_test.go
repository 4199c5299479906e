package initiator

import (
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// TestRemoved: a LUN that the target takes away while it is logged in is told from one that
// it does not have yet after a login.
func TestRemoved(t *testing.T) {
	for name, ask := range map[string]func(l *lab){
		"a read":  func(l *lab) { go l.disk.ReadAt(timeout(t), make([]byte, 512), 0) },
		"Refresh": func(l *lab) { l.disk.Refresh(timeout(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, twoLUNs)
			l.RemoveLUN(0)
			ask(l)
			awaitDisk(t, l.disk, DiskAway)
			if !l.disk.Status().Removed {
				t.Error("not known to be removed")
			}
			l.hurry()
			l.CutConnections()
			l.awaitReconnect(1)
			await(t, "the LUN to be asked for", func() bool { st := l.disk.Status(); return st.State == DiskAway && !st.Removed })
			if err := l.AddLUN(0, l.lun); err != nil {
				t.Fatal(err)
			}
			awaitDisk(t, l.disk, DiskReady)
			if l.disk.Status().Removed {
				t.Error("removed, and ready")
			}
		})
	}
}

// TestUnitRemoved: a unit is taken away when it is by every path; one that is lost tells
// nothing.
func TestUnitRemoved(t *testing.T) {
	l := newPathsLab(t, 2, twoLUNs)
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(1)
	l.RemoveLUN(0)
	if err := l.u.Refresh(timeout(t)); err == nil {
		t.Fatal("still there")
	}
	if l.u.Status().Removed {
		t.Error("removed, though one path cannot tell")
	}
	if err := l.AddLUN(0, l.lun); err != nil {
		t.Fatal(err)
	}
	if err := l.portals[0].Listen(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(2)
	l.RemoveLUN(0)
	_ = l.u.Refresh(timeout(t))
	await(t, "the unit to be removed", func() bool { st := l.u.Status(); return st.State == DiskAway && st.Removed })
	if _, err := l.m.OpenUnit(timeout(t), scsi.LUN{}); err == nil {
		t.Error("opened twice")
	}
}
