package integration

import (
	"os"
	"testing"

	"github.com/moby/sys/mountinfo"
)

// installHelpers lets mount(8) and umount(8) find the program under test,
// which they look for in /sbin only, for the time of the test.
func installHelpers(t *testing.T) {
	t.Helper()
	needRoot(t)
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mount.iscsifs", "mount.fuse.iscsifs", "umount.fuse.iscsifs"} {
		link := "/sbin/" + name
		if _, err := os.Lstat(link); err == nil {
			if to, _ := os.Readlink(link); !below(to, os.TempDir()) { // a run that was killed leaves links
				skip(t, "needs "+link+" to itself; iscsifs is installed here")
			}
			os.Remove(link)
		}
		if err := os.Symlink(program, link); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(link) })
	}
}

// TestMountAndUmount8 mounts with mount(8), as from fstab, and unmounts with
// umount(8); both keep the promises of iscsifs's own commands.
func TestMountAndUmount8(t *testing.T) {
	installHelpers(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	file, point := h.writeConfig(s.config()), h.mountpoint()
	h.sh(`mount -t iscsifs -o _netdev "$1" "$2"`, file, point)
	m := &mounted{h: h, point: point, config: file}
	defer m.umount()

	infos, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(point))
	if err != nil || len(infos) != 1 || infos[0].Source != file || infos[0].FSType != "fuse.iscsifs" {
		t.Fatalf("mountinfo: %+v, %v", infos, err)
	}
	h.sh(`mount -t iscsifs "$1" "$2"`, file, point) // already mounted there: done
	if len(mountsOf(point)) != 1 {
		t.Errorf("mounted: %v", mountsOf(point))
	}

	holder := h.holder(m.lun(1))
	if r := h.run("umount", point); r.code == 0 || len(mountsOf(point)) != 1 {
		t.Errorf("umount(8) of a LUN in use: exit code %d, mounted %v", r.code, mountsOf(point))
	}
	release(holder)
	daemon := m.daemon(t)
	h.sh(`umount "$1"`, point)
	if running(daemon) {
		t.Error("umount(8) returned before the daemon was gone")
	}
	m.gone = true
}

// mount(8)'s exit codes: 1 usage, 32 failure.
func TestMount8Failure(t *testing.T) {
	installHelpers(t)
	h := newHost(t)
	file := h.writeConfig(config{portal: "127.0.0.1:1", iqn: targetIQN})
	if r := h.run("mount", "-t", "iscsifs", file, h.mountpoint()); r.code != 32 {
		t.Errorf("exit code %d, want 32\n%s", r.code, r.stderr)
	}
	if r := h.run("mount", "-t", "iscsifs", "-o", "no-such-option", file, h.mountpoint()); r.code == 0 {
		t.Error("an unknown option is accepted")
	}
}
