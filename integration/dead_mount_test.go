package integration

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// killed mounts and kills the daemon as a crash would: the mount point answers
// ENOTCONN.
func killed(t *testing.T) (*host, *served, *mounted) {
	t.Helper()
	h, s, m := oneLUN(t)
	if err := unix.Kill(m.daemon(t), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	dead := func() bool { _, err := os.Stat(m.lun(1)); return err != nil }
	if !eventually(patience, dead) {
		t.Fatal("the mount survives its daemon")
	}
	return h, s, m
}

func TestMountClearsDeadMount(t *testing.T) {
	h, s, m := killed(t)
	h.mustIscsifs("mount", m.config, m.point)
	if h.sha256(m.lun(1)) != h.sha256(s.backing[1]) {
		t.Error("the new mount reads other bytes than the backing file's")
	}
	if mounts := mountsOf(m.point); len(mounts) != 1 {
		t.Errorf("mounted: %v", mounts)
	}
}

func TestUmountClearsDeadMount(t *testing.T) {
	_, _, m := killed(t)
	m.umount()
}

// No command hangs on a dead mount, and each says what to do about it.
func TestCommandsOnDeadMount(t *testing.T) {
	h, _, m := killed(t)
	for _, args := range [][]string{{"sync", m.point}, {"login", m.point, "all"}, {"logout", m.point, "all"}, {"rescan", m.point}, {"reload", m.point}} {
		h.iscsifs(args...).wantFailure(t, exitFailed, "iscsifs: "+args[0]+" "+m.point+": no daemon serves it any more; `iscsifs umount "+m.point+"` clears the mount")
	}
}

func TestStatusOfDeadMount(t *testing.T) {
	h, _, m := killed(t)
	r := h.iscsifs("status", m.point)
	if r.code == exitDone && r.stdout == "" {
		t.Error("status says nothing of a dead mount")
	}
}
