package holders

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

// fake is a tree with proc and sys in it.
type fake struct {
	t    *testing.T
	root string
}

var luns = mounts.Mount{ID: 100, Point: "/mnt/luns", Major: 0, Minor: 47, AllowOther: true}

const lunsLine = "100 1 0:47 / /mnt/luns rw - fuse.iscsifs /c.toml rw,user_id=0,group_id=0,allow_other\n"

func newFake(t *testing.T) fake {
	f := fake{t, t.TempDir()}
	f.file("proc/self/mountinfo", lunsLine)
	return f
}

func (f fake) file(path, content string) {
	f.t.Helper()
	full := filepath.Join(f.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) link(path, target string) {
	f.t.Helper()
	full := filepath.Join(f.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, full); err != nil {
		f.t.Fatal(err)
	}
}

// process makes a directory of /proc with one descriptor.
func (f fake) process(pid int, comm, namespace, fd string, mountID int) {
	dir := fmt.Sprintf("proc/%d/", pid)
	f.file(dir+"comm", comm+"\n")
	f.file(dir+"status", "Name:\tx\nUid:\t4242\t0\t0\t0\n")
	f.file(dir+"maps", "")
	f.link(dir+"fd/3", fd)
	f.file(dir+"fdinfo/3", fmt.Sprintf("pos:\t0\nflags:\t02\nmnt_id:\t%d\nino:\t7\n", mountID))
	f.link(dir+"ns/mnt", "mnt:["+namespace+"]")
	f.file(dir+"mountinfo", lunsLine)
}

// find returns what is held, line by line.
func (f fake) find(daemon int) ([]string, []Note) {
	f.t.Helper()
	list, notes, err := System{Root: f.root}.Find(f.t.Context(), luns, daemon)
	if err != nil {
		f.t.Fatal(err)
	}
	var lines []string
	for _, h := range list {
		lines = append(lines, h.String())
	}
	return lines, notes
}

func (f fake) expect(want ...string) {
	f.t.Helper()
	got, notes := f.find(9)
	if diff := cmp.Diff(want, got); diff != "" || len(notes) > 0 {
		f.t.Errorf("notes %q (-want +got):\n%s", notes, diff)
	}
}

func TestNothing(t *testing.T) {
	f := newFake(t)
	f.process(9, "iscsifs", "1", "/mnt/luns/lun0", 100) // the daemon
	f.process(8, "cat", "1", "/mnt/luns/lun0", 99)      // a file of the same name elsewhere
	f.expect()
}

func TestProcesses(t *testing.T) {
	f := newFake(t)
	f.process(10, "dd\x1b[2J", "1", "/mnt/luns/lun0", 100)
	f.process(11, "qemu", "2", "/inside/lun1", 5)
	f.file("proc/11/mountinfo", "5 1 0:47 / /inside rw - fuse.iscsifs /c.toml rw\n")
	f.process(12, "mapper", "1", "/dev/null", 1)
	f.file("proc/12/maps", "7f00-7f01 rw-s 00000000 00:2f 7                    /mnt/luns/my lun\n")
	f.process(13, "sh", "1", "/dev/null", 1)
	f.link("proc/13/cwd", "/mnt/luns/backup")
	f.process(14, "other", "1", "/dev/null", 1)
	f.link("proc/14/cwd", "/mnt/lunsandmore")
	f.expect(
		"/mnt/luns/lun0: process 10 (dd\ufffd[2J, user 4242): kill 10",
		"/mnt/luns/lun1: process 11 (qemu, user 4242): kill 11",
		"/mnt/luns/my lun: process 12 (mapper, user 4242): kill 12",
		"/mnt/luns/backup: process 13 (sh, user 4242), whose working directory it is (`cd /` there will do): kill 13",
	)
}

func TestStackOnLoop(t *testing.T) {
	f := newFake(t)
	f.file("proc/self/mountinfo", lunsLine+
		"101 1 7:1 / /mnt/a\\040b rw - ext4 /dev/loop0p1 rw\n"+
		"102 1 0:60 / /mnt/btrfs rw - btrfs /dev/mapper/my--vg-home rw\n"+
		"103 1 0:47 /lun0 /srv/disk rw - fuse.iscsifs /c.toml rw\n")
	f.file("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/dm-1 partition\t1\t0\t-2\n")
	f.file("sys/block/loop0/loop/backing_file", "/mnt/luns/lun0\n")
	f.file("sys/block/loop0/dev", "7:0\n")
	f.file("sys/block/loop0/loop0p1/partition", "1\n")
	f.file("sys/block/loop0/loop0p1/dev", "7:1\n")
	f.file("sys/block/loop0/loop0p2/partition", "2\n")
	f.link("sys/block/loop0/loop0p2/holders/dm-0", "../../../dm-0")
	f.link("sys/block/loop0/loop0p2/holders/dm-1", "../../../dm-1")
	f.file("sys/block/dm-0/dm/name", "my--vg-home\n")
	f.file("sys/block/dm-0/dm/uuid", "LVM-abc\n")
	f.file("sys/block/dm-1/dm/name", "my--vg-swap\n")
	f.file("sys/block/dm-1/dm/uuid", "LVM-abd\n")
	f.file("sys/block/loop1/loop/backing_file", "/mnt/lunsandmore/lun0\n")
	f.process(20, "fsck", "1", "/dev/loop0", 1)
	f.expect(
		"/mnt/luns/lun0: process 20 (fsck, user 4242): kill 20",
		"/mnt/luns/lun0: mount /mnt/a b: umount '/mnt/a b'",
		"/mnt/luns/lun0: mount /mnt/btrfs: umount /mnt/btrfs",
		"/mnt/luns/lun0: volume group my-vg: vgchange -an my-vg",
		"/mnt/luns/lun0: swap /dev/dm-1: swapoff /dev/dm-1",
		"/mnt/luns/lun0: loop device /dev/loop0: losetup -d /dev/loop0",
		"/mnt/luns/lun0: bind mount /srv/disk: umount /srv/disk",
	)
}

// TestUsersOfFileSystems: who uses a file of a file system that stands on a LUN keeps it
// from being unmounted, and comes before it.
func TestUsersOfFileSystems(t *testing.T) {
	f := newFake(t)
	table := lunsLine + "101 1 7:0 / /mnt/data rw - ext4 /dev/loop0 rw\n102 1 0:9 / /mnt/data/other rw - tmpfs t rw\n"
	f.file("proc/self/mountinfo", table)
	f.file("sys/block/loop0/loop/backing_file", "/mnt/luns/lun0\n")
	f.file("sys/block/loop0/dev", "7:0\n")
	f.process(40, "tail", "1", "/mnt/data/log", 101)
	f.file("proc/40/mountinfo", table)
	f.process(41, "sh", "1", "/dev/null", 1)
	f.link("proc/41/cwd", "/mnt/data/dir")
	f.process(42, "mapper", "1", "/dev/null", 1)
	f.file("proc/42/maps", "7f00-7f01 r--s 00000000 07:00 12                    /mnt/data/db\n")
	f.process(43, "elsewhere", "1", "/mnt/data/other/x", 102)
	f.link("proc/43/cwd", "/mnt/data/other")
	f.expect(
		"/mnt/luns/lun0: process 40 (tail, user 4242): kill 40",
		"/mnt/luns/lun0: process 41 (sh, user 4242), whose working directory it is (`cd /` there will do): kill 41",
		"/mnt/luns/lun0: process 42 (mapper, user 4242): kill 42",
		"/mnt/luns/lun0: mount /mnt/data: umount /mnt/data",
		"/mnt/luns/lun0: loop device /dev/loop0: losetup -d /dev/loop0",
	)
}

// TestFilesOnFileSystems: what uses a file of a file system on a LUN as a disk or as swap
// comes before that file system, and what stands on it before it.
func TestFilesOnFileSystems(t *testing.T) {
	f := newFake(t)
	f.file("proc/self/mountinfo", lunsLine+"101 1 7:0 / /mnt/data rw - ext4 /dev/loop0 rw\n102 1 7:1 / /mnt/guest rw - xfs /dev/loop1 rw\n"+
		"103 101 0:9 / /mnt/data/other rw - tmpfs t rw\n")
	for loop, backing := range map[string]string{"loop0": "/mnt/luns/lun0", "loop1": "/mnt/data/guest.img", "loop2": "/mnt/data/other/x", "loop3": "/mnt/guest/a (deleted)"} {
		f.file("sys/block/"+loop+"/loop/backing_file", backing+"\n")
		f.file("sys/block/"+loop+"/dev", "7:"+loop[4:]+"\n")
	}
	f.file("proc/swaps", "Filename Type Size Used Priority\n/mnt/data/swap file 9 0 -2\n/swap file 9 0 -3\n")
	f.expect(
		"/mnt/luns/lun0: swap /mnt/data/swap: swapoff /mnt/data/swap",
		"/mnt/luns/lun0: loop device /dev/loop3: losetup -d /dev/loop3",
		"/mnt/luns/lun0: mount /mnt/guest: umount /mnt/guest",
		"/mnt/luns/lun0: loop device /dev/loop1: losetup -d /dev/loop1",
		"/mnt/luns/lun0: mount /mnt/data: umount /mnt/data",
		"/mnt/luns/lun0: loop device /dev/loop0: losetup -d /dev/loop0",
	)
}

// TestOtherStacks: RAID, LUKS and a loop device that mount(8) made; sysfs may be a
// ring, which the kernel's is not.
func TestOtherStacks(t *testing.T) {
	f := newFake(t)
	f.file("sys/block/loop0/loop/backing_file", "/mnt/luns/lun0 (deleted)\n")
	f.file("sys/block/loop0/loop/autoclear", "1\n")
	f.link("sys/block/loop0/holders/md0", "x")
	f.file("sys/block/md0/md/level", "raid1\n")
	f.link("sys/block/md0/holders/dm-0", "x")
	f.link("sys/block/md0/holders/loop0", "x")
	f.file("sys/block/dm-0/dm/name", "safe\n")
	f.file("sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-x-safe\n")
	f.expect(
		"/mnt/luns/lun0: device mapper /dev/mapper/safe: cryptsetup close safe",
		"/mnt/luns/lun0: raid /dev/md0: mdadm --stop /dev/md0",
		"/mnt/luns/lun0: loop device /dev/loop0",
	)
}

func TestVolumeGroup(t *testing.T) {
	for name, want := range map[string]string{
		"vg-lv": "vg", "vg-lv-cow": "vg", "a--b-c": "a-b", "a----b-c": "a--b", "vg": "vg", "vg-": "vg", "--": "-", "": "",
	} {
		if got := volumeGroup(name); got != want {
			t.Errorf("%q is of group %q, want %q", name, got, want)
		}
	}
}

// TestStuckProcess: a memory map that cannot be read is noted and passed over.
func TestStuckProcess(t *testing.T) {
	f := newFake(t)
	f.process(30, "stuck", "1", "/mnt/luns/lun0", 100)
	maps := filepath.Join(f.root, "proc/30/maps")
	stuckFile(t, maps)
	got, notes := f.find(9)
	if len(notes) != 1 || !strings.Contains(string(notes[0]), "process 30 (stuck)") {
		t.Errorf("notes %q", notes)
	}
	if !slices.Contains(got, "/mnt/luns/lun0: process 30 (stuck, user 4242): kill 30") {
		t.Errorf("what could be seen is missing: %q", got)
	}
}
