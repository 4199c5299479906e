package integration

import (
	"os"
	"strconv"
	"strings"
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
	h.sh(`mount -t iscsifs "$1" "$2"`, file, point)
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

	m.wantUmount8()
}

// umount(8) needs no mount(8) before it.
func TestUmount8AfterOwnMount(t *testing.T) {
	installHelpers(t)
	_, _, m := oneLUN(t)
	m.wantUmount8()
}

// The line of a mount for umount(8) goes with the mount, dead or alive.
func TestUmount8Table(t *testing.T) {
	needRoot(t)
	for _, end := range []string{"", "killed"} {
		h, _, m := oneLUN(t)
		if !listedFor8(t, m.point) {
			t.Errorf("%s has no line in %s", m.point, table8)
		}
		if daemon := m.daemon(t); end != "" {
			h.sh(`kill -9 "$1"; while kill -0 "$1" 2>/dev/null; do sleep .05; done`, strconv.Itoa(daemon))
		}
		m.umount()
		if listedFor8(t, m.point) {
			t.Errorf("%s has still a line in %s", m.point, table8)
		}
	}
}

// table8 is what mount(8) and umount(8) know beyond mountinfo.
const table8 = "/run/mount/utab"

func listedFor8(t *testing.T, point string) bool {
	t.Helper()
	text, err := os.ReadFile(table8)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "TARGET="+point+" ")
}

// wantUmount8 checks that plain umount(8) keeps the promises of iscsifs umount.
func (m *mounted) wantUmount8() {
	m.h.t.Helper()
	holder := m.h.holder(m.lun(1))
	r := m.h.run("umount", m.point)
	if pid := strconv.Itoa(holder.Process.Pid); r.code == 0 || !strings.Contains(r.stderr, pid) || len(mountsOf(m.point)) != 1 {
		m.h.t.Errorf("umount(8) of a LUN in use: exit code %d, mounted %v, holder %s\n%s", r.code, mountsOf(m.point), pid, r.stderr)
	}
	release(holder)
	daemon := m.daemon(m.h.t)
	m.h.sh(`umount "$1"`, m.point)
	if running(daemon) {
		m.h.t.Error("umount(8) returned before the daemon was gone")
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
