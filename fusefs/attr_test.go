package fusefs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStat(t *testing.T) {
	m := mountLUN(t, Options{UID: 12, GID: 34, Mode: 0o640})
	var s unix.Stat_t
	expect(t, "stat", unix.Stat(m.file, &s), nil)
	if s.Size != lunSize || s.Blocks != lunSize/512 || s.Blksize != 64<<10 || s.Nlink != 1 ||
		s.Mode != unix.S_IFREG|0o640 || s.Uid != 12 || s.Gid != 34 || s.Mtim.Sec != 1e9 || s.Mtim.Nsec != 5 {
		t.Errorf("%+v", s)
	}
	expect(t, "stat of the root", unix.Stat(m.server.Point(), &s), nil)
	if s.Mode != unix.S_IFDIR|0o750 || s.Uid != 12 || s.Gid != 34 {
		t.Errorf("%+v", s)
	}
	m.lun.resize(lunSize * 2)
	expect(t, "stat", unix.Stat(m.file, &s), nil)
	if s.Size != lunSize*2 {
		t.Errorf("size after it grew: %d", s.Size)
	}
	var x unix.Statx_t
	expect(t, "statx", unix.Statx(unix.AT_FDCWD, m.file, 0, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x), nil)
	if x.Size != lunSize*2 || x.Mask&unix.STATX_BTIME != 0 || x.Uid != 12 || x.Mtime.Sec != 1e9 {
		t.Errorf("%+v", x)
	}
}

// TestPresentValues: what is so already can be set, nothing else.
func TestPresentValues(t *testing.T) {
	m := mountLUN(t, Options{UID: 12, GID: 34, Mode: 0o640})
	for path, mode := range map[string]uint32{m.file: 0o640, m.server.Point(): 0o750} {
		expect(t, "chmod to the same", unix.Chmod(path, mode), nil)
		expect(t, "chmod", unix.Chmod(path, mode|0o001), unix.EPERM)
		expect(t, "chown to the same", unix.Chown(path, 12, 34), nil)
		expect(t, "chown", unix.Chown(path, 0, -1), unix.EPERM)
		expect(t, "chgrp", unix.Chown(path, -1, 0), unix.EPERM)
		expect(t, "utimes", os.Chtimes(path, time.Now(), time.Unix(7, 0)), nil)
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	for name, want := range map[string]error{"rw": unix.EPERM, "ro": unix.EROFS} {
		t.Run(name, func(t *testing.T) {
			m := mountLUN(t, Options{ReadOnly: name == "ro"})
			other := filepath.Join(m.server.Point(), "other")
			_, created := unix.Open(other, unix.O_CREAT|unix.O_WRONLY, 0o600)
			_, anonymous := unix.Open(m.server.Point(), unix.O_TMPFILE|unix.O_WRONLY, 0o600)
			expect(t, "create", created, want)
			expect(t, "O_TMPFILE", anonymous, want)
			expect(t, "unlink", unix.Unlink(m.file), want)
			expect(t, "rmdir", unix.Rmdir(m.file), map[bool]error{true: want, false: unix.ENOTDIR}[name == "ro"])
			expect(t, "rename", unix.Rename(m.file, other), want)
			expect(t, "mkdir", unix.Mkdir(other, 0o700), want)
			expect(t, "link", unix.Link(m.file, other), want)
			expect(t, "symlink", unix.Symlink("lun0", other), want)
			expect(t, "mknod", unix.Mknod(other, unix.S_IFREG|0o600, 0), want)
			expect(t, "chmod", unix.Chmod(m.file, 0o644), want)
			expect(t, "setxattr", unix.Setxattr(m.file, "user.iscsi.target", []byte("x"), 0), want)
		})
	}
}

func TestReadOnly(t *testing.T) {
	protected := newMemLUN(lunSize, 0)
	protected.readOnly = true
	for name, m := range map[string]*mounted{
		"mount": mountLUN(t, Options{ReadOnly: true}),
		"LUN":   mountThis(t, Options{}, protected),
	} {
		for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_TRUNC} {
			_, err := unix.Open(m.file, flags, 0)
			expect(t, name, err, unix.EROFS)
		}
		expect(t, name+": truncate", unix.Truncate(m.file, lunSize), unix.EROFS)
		closeFD(t, open(t, m.file, unix.O_RDONLY))
	}
}

func TestXattrs(t *testing.T) {
	m := mountLUN(t, Options{})
	lun := newMemLUN(512, 0)
	attributes := map[string]string{"target": "iqn.2024-01.example:disk", "lun": "1", "serial": ""}
	expect(t, "add", m.AddLUN("", "lun1", lun, func() map[string]string { return attributes }), nil)
	path := filepath.Join(m.server.Point(), "lun1")
	for name, want := range attributes {
		got := make([]byte, 100)
		n, err := unix.Getxattr(path, XattrPrefix+name, got)
		if err != nil || string(got[:n]) != want {
			t.Errorf("%s: %q, %v", name, got[:max(n, 0)], err)
		}
		n, err = unix.Getxattr(path, XattrPrefix+name, nil)
		if n != len(want) || err != nil {
			t.Errorf("length of %s: %d, %v", name, n, err)
		}
	}
	_, err := unix.Getxattr(path, XattrPrefix+"target", make([]byte, 5))
	expect(t, "a short buffer", err, unix.ERANGE)
	for _, name := range []string{"user.other", "security.capability", "user.iscsi.none"} {
		_, err = unix.Getxattr(path, name, make([]byte, 100))
		expect(t, name, err, unix.ENODATA)
	}
	list := make([]byte, 100)
	n, err := unix.Listxattr(path, list)
	if want := "user.iscsi.lun\x00user.iscsi.serial\x00user.iscsi.target\x00"; string(list[:max(n, 0)]) != want || err != nil {
		t.Errorf("list: %q, %v", list[:max(n, 0)], err)
	}
	n, err = unix.Listxattr(m.file, list)
	if n != 0 || err != nil {
		t.Errorf("list of a file that has none: %d, %v", n, err)
	}
	expect(t, "set ours", unix.Setxattr(path, XattrPrefix+"lun", []byte("2"), 0), unix.EPERM)
	expect(t, "remove ours", unix.Removexattr(path, XattrPrefix+"lun"), unix.EPERM)
	expect(t, "set another", unix.Setxattr(path, "user.other", []byte("2"), 0), unix.ENOTSUP)
}

func TestStatfs(t *testing.T) {
	m := mountLUN(t, Options{})
	expect(t, "add", m.AddLUN("", "lun1", newMemLUN(lunSize, 0), nil), nil)
	var s unix.Statfs_t
	expect(t, "statfs", unix.Statfs(m.file, &s), nil)
	if s.Bsize != 4096 || s.Blocks != lunSize/4096 || s.Bfree != 0 || s.Namelen != 255 {
		t.Errorf("file: %+v", s)
	}
	expect(t, "statfs", unix.Statfs(m.server.Point(), &s), nil)
	if s.Blocks*uint64(s.Bsize) != 2*lunSize {
		t.Errorf("root: %+v", s)
	}
}

// TestStatfsGranularity: loop devices take their discard_granularity from f_bsize.
func TestStatfsGranularity(t *testing.T) {
	m := mountLUN(t, Options{})
	for granularity, want := range map[int64]int64{
		0: 4096, 512: 4096, 4096: 4096, 64 << 10: 64 << 10, 1 << 20: 1 << 20,
		24 << 10: 4096, // no power of two
		1 << 31:  4096,
	} {
		m.lun.granularity.Store(granularity)
		var s unix.Statfs_t
		expect(t, "statfs", unix.Statfs(m.file, &s), nil)
		if s.Bsize != want || s.Frsize != want || s.Blocks != uint64(max(1, lunSize/want)) {
			t.Errorf("granularity %d: %+v", granularity, s)
		}
	}
}

func TestDirectories(t *testing.T) {
	m := mountLUN(t, Options{})
	var names []string
	for i := range 500 { // more than one READDIR holds
		names = append(names, "lun"+string(rune('a'+i/26%26))+string(rune('a'+i%26))+string(rune('a'+i/676)))
		expect(t, "add", m.AddLUN("backup", names[i], m.lun, nil), nil)
	}
	expect(t, "link", m.AddLink("by-id", "scsi-3600", "../backup/"+names[0]), nil)
	for dir, want := range map[string][]string{"": {"backup", "by-id", "lun0"}, "backup": names, "by-id": {"scsi-3600"}} {
		entries, err := os.ReadDir(filepath.Join(m.server.Point(), dir))
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if slices.Sort(want); !slices.Equal(got, want) || err != nil {
			t.Errorf("%q: %d entries, %v; want %d", dir, len(got), err, len(want))
		}
	}
	link := filepath.Join(m.server.Point(), "by-id", "scsi-3600")
	if target, err := os.Readlink(link); target != "../backup/"+names[0] || err != nil {
		t.Errorf("link: %q, %v", target, err)
	}
	if s, err := os.Stat(link); err != nil || s.Size() != lunSize {
		t.Errorf("through the link: %v, %v", s, err)
	}
	for _, name := range names {
		expect(t, "remove", m.RemoveLUN("backup", name), nil)
	}
	_, err := os.Stat(filepath.Join(m.server.Point(), "backup"))
	expect(t, "the directory of no LUN", err, unix.ENOENT)
}
