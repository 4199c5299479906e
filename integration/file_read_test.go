package integration

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStat(t *testing.T) {
	_, _, m := oneLUN(t)
	var st unix.Stat_t
	if err := unix.Stat(m.lun(1), &st); err != nil {
		t.Fatal(err)
	}
	if st.Size != smallDisk || st.Blocks != smallDisk/512 || st.Mode != unix.S_IFREG|0o600 || st.Blksize < 512 || st.Blksize > mib {
		t.Errorf("stat: %+v", st)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(m.lun(1), &fs); err != nil || fs.Bsize == 0 {
		t.Errorf("statfs: %+v, %v", fs, err)
	}
}

// The tools that read disks need no flags, and O_DIRECT needs no alignment that
// they do not have.
func TestReaders(t *testing.T) {
	needTools(t, "qemu-img")
	h, s, m := oneLUN(t)
	want := h.sha256(s.backing[1])
	for _, reader := range []string{
		`cat "$1"`,
		`dd if="$1" bs=1M iflag=direct status=none`,
		`dd if="$1" bs=4096 iflag=direct status=none`,
		`dd if="$1" bs=100001 status=none`,
		`cp "$1" copy && cat copy`,
		`qemu-img dd -f raw -O raw bs=1M if="$1" of=qemu && cat qemu`,
	} {
		if got := strings.Fields(h.sh(reader+" | sha256sum", m.lun(1)))[0]; got != want {
			t.Errorf("%s reads other bytes than the backing file's", reader)
		}
	}
	h.sh(`cmp "$1" "$2"`, m.lun(1), s.backing[1])
}

func TestDirectWrite(t *testing.T) {
	h, s, m := oneLUN(t)
	h.sh(`dd if=/dev/urandom of=new bs=1M count=5 status=none
		dd if=new of="$1" bs=512K oflag=direct conv=notrunc status=none seek=4
		cmp -n 5242880 -i 0:2097152 new "$2"`, m.lun(1), s.backing[1])
}

// Shared mappings work where the kernel has DIRECT_IO_ALLOW_MMAP (6.6).
func TestSharedMapping(t *testing.T) {
	_, s, m := oneLUN(t)
	f := open(t, m.lun(1), os.O_RDWR)
	data, err := unix.Mmap(int(f.Fd()), 0, mib, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if !kernelAtLeast(t, 6, 6) {
		wantErrno(t, "mmap", err, unix.ENODEV)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(data)
	disk := make([]byte, mib)
	if _, err := f.ReadAt(disk, 0); err != nil || !bytes.Equal(data, disk) {
		t.Errorf("the mapping shows other bytes than read: %v", err)
	}
	copy(data[70000:], "through the mapping")
	if err := unix.Msync(data, unix.MS_SYNC); err != nil {
		t.Fatal(err)
	}
	backing := open(t, s.backing[1], os.O_RDONLY)
	got, err := io.ReadAll(io.NewSectionReader(backing, 70000, 19))
	if err != nil || string(got) != "through the mapping" {
		t.Errorf("after msync the target has %q, %v", got, err)
	}
}

func kernelAtLeast(t *testing.T, major, minor int) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	v := strings.Split(unix.ByteSliceToString(u.Release[:]), ".")
	have, _ := strconv.Atoi(v[0])
	haveMinor, _ := strconv.Atoi(v[1])
	return have > major || have == major && haveMinor >= minor
}

func TestExtendedAttributes(t *testing.T) {
	needTools(t, "getfattr")
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk, blockSize: 4096, params: map[string]string{
		"vendor_id": "ACME", "product_id": "Platter", "product_rev": "0042", "scsi_sn": "SN-0815",
	}})
	m := h.mount(s.config())
	for name, want := range map[string]string{
		"target": s.IQN, "portal": s.portal, "lun": "1", "vendor": "ACME", "product": "Platter",
		"revision": "0042", "serial": "SN-0815", "block_size": "4096",
	} {
		if got := h.sh(`getfattr --only-values -n "user.iscsi.$2" "$1"`, m.lun(1), name); got != want {
			t.Errorf("user.iscsi.%s is %q, want %q", name, got, want)
		}
	}
	if list := h.sh(`getfattr "$1"`, m.lun(1)); strings.Count(list, "user.iscsi.") < 8 {
		t.Errorf("getfattr lists only:\n%s", list)
	}
	_, err := unix.Getxattr(m.lun(1), "security.capability", make([]byte, 100))
	wantErrno(t, "an attribute that is not ours", err, unix.ENODATA)
}

// The links are named as udev names them below /dev/disk.
func TestLinks(t *testing.T) {
	_, s, m := oneLUN(t)
	byPath := m.point + "/by-path/ip-" + s.portal + "-iscsi-" + s.IQN + "-lun-1"
	links, err := filepath.Glob(m.point + "/by-id/*")
	if err != nil || len(links) == 0 {
		t.Errorf("nothing in by-id: %v", err)
	}
	for _, link := range append(links, byPath) {
		if to, err := filepath.EvalSymlinks(link); err != nil || to != m.lun(1) {
			t.Errorf("%s leads to %q, %v", link, to, err)
		}
	}
}
