package integration

import (
	"os"
	"strings"
	"testing"
)

// TestUnprivileged does the main job as nobody, without loop devices.
func TestUnprivileged(t *testing.T) {
	needTools(t, "mkfs.ext4", "debugfs", "qemu-img")
	h := newUserHost(t)
	s := h.serve(nil, disk{size: 64 * mib}).withCHAP(t)
	m := h.mount(s.config())
	if owner := strings.TrimSpace(h.sh(`stat -c %U "$1"`, m.lun(1))); owner != "nobody" {
		t.Errorf("the LUN's file belongs to %s", owner)
	}
	if got, want := h.sha256(m.lun(1)), hostOf(h).sha256(s.backing[1]); got != want {
		t.Errorf("sha256sum of the LUN's file is %s, of the backing file %s", got, want)
	}
	h.sh(`mkfs.ext4 -q -F "$1"`, m.lun(1))
	h.sh(`echo "a line" >line; debugfs -w -R "write $2/line line" "$1"`, m.lun(1), h.path("home"))
	if list := h.sh(`debugfs -R ls "$1"`, m.lun(1)); !strings.Contains(list, "line") {
		t.Errorf("debugfs lists %s", list)
	}
	h.sh(`qemu-img convert -f raw -O qcow2 "$1" lun.qcow2; qemu-img compare -f qcow2 -F raw lun.qcow2 "$1"`, m.lun(1))
	h.mustIscsifs("status", m.point)
	m.umount()
	hostOf(h).sh(`e2fsck -fn "$1" 2>&1; debugfs -R "cat line" "$1" | grep -q "a line"`, s.backing[1])
}

// hostOf is the same test's directory seen by root.
func hostOf(h *host) *host { return &host{t: h.t, dir: h.dir} }

// A user's failure is as clear as root's, and leaves as little.
func TestUnprivilegedFailure(t *testing.T) {
	h := newUserHost(t)
	c := h.serve(nil, disk{size: smallDisk}).withCHAP(t).config()
	c.in.Password = "NotTheSecret-99"
	h.wantMountFailure(c, exitRefused, "auth|password")
}

// A user without /dev/fuse is told so.
func TestUnprivilegedWithoutDevFuse(t *testing.T) {
	h := newUserHost(t)
	if err := os.Chmod("/dev/fuse", 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.tryMount(h.serve(nil, disk{size: smallDisk}).config())
	r.wantFailure(t, exitFailed, "/dev/fuse")
}

// root sees the mounts of all users in status, and may unmount them.
func TestRootUnmountsUsersMount(t *testing.T) {
	h := newUserHost(t)
	m := h.mount(h.serve(nil, disk{size: smallDisk}).config())
	root := hostOf(h)
	if status := root.status(m.point); len(status.Mounts) != 1 {
		t.Errorf("root's status of a user's mount: %+v", status)
	}
	root.mustIscsifs("umount", m.point)
	m.gone = true
}
