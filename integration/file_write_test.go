package integration

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

const smallDisk = 16 * mib

// oneLUN mounts a target with one small disk.
func oneLUN(t *testing.T) (*host, *served, *mounted) {
	t.Helper()
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	return h, s, h.mount(s.config())
}

func open(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func wantErrno(t *testing.T, what string, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// O_TRUNC by itself erases nothing.
func TestOpenWithTruncateErasesNothing(t *testing.T) {
	h, s, m := oneLUN(t)
	before := h.sha256(s.backing[1])
	open(t, m.lun(1), os.O_RDWR|os.O_TRUNC).Close()
	h.sh(`: >"$1"`, m.lun(1))
	if info, err := os.Stat(m.lun(1)); err != nil || info.Size() != smallDisk {
		t.Errorf("size %v, %v", info, err)
	}
	if h.sha256(m.lun(1)) != before || h.sha256(s.backing[1]) != before {
		t.Error("O_TRUNC changed the LUN")
	}
}

// Truncating to the present capacity succeeds, to any other fails, as on a block device.
func TestTruncate(t *testing.T) {
	_, _, m := oneLUN(t)
	f := open(t, m.lun(1), os.O_RDWR)
	for _, size := range []int64{0, smallDisk - 1, smallDisk + 1} {
		wantErrno(t, "truncate to "+itoa(size), os.Truncate(m.lun(1), size), unix.EINVAL)
		wantErrno(t, "ftruncate to "+itoa(size), f.Truncate(size), unix.EINVAL)
	}
	if err := errors.Join(os.Truncate(m.lun(1), smallDisk), f.Truncate(smallDisk)); err != nil {
		t.Errorf("to the capacity: %v", err)
	}
}

func TestWritePastTheEnd(t *testing.T) {
	_, s, m := oneLUN(t)
	f := open(t, m.lun(1), os.O_RDWR)
	data := bytes.Repeat([]byte("end."), 1024)
	if n, err := unix.Pwrite(int(f.Fd()), data, smallDisk-1000); n != 1000 || err != nil {
		t.Errorf("across the end: %d, %v, want 1000 bytes", n, err)
	}
	_, err := unix.Pwrite(int(f.Fd()), data, smallDisk)
	wantErrno(t, "at the end", err, unix.ENOSPC)
	_, err = unix.Pwrite(int(f.Fd()), data, smallDisk+gib)
	wantErrno(t, "behind the end", err, unix.ENOSPC)
	if n, err := unix.Pread(int(f.Fd()), data, smallDisk); n != 0 || err != nil {
		t.Errorf("read at the end: %d, %v, want end of file", n, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(s.backing[1])
	if err != nil || !bytes.HasSuffix(disk, bytes.Repeat([]byte("end."), 250)) {
		t.Errorf("the last 1000 bytes did not reach the target: %v", err)
	}
}

// A disk's bytes reach the target with close, at the latest.
func TestCloseReachesTheTarget(t *testing.T) {
	_, s, m := oneLUN(t)
	f := open(t, m.lun(1), os.O_RDWR)
	if _, err := f.WriteAt([]byte("closed"), 12345); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(s.backing[1])
	if err != nil || string(disk[12345:12351]) != "closed" {
		t.Errorf("the backing file has %q, %v", disk[12345:12351], err)
	}
}

// Nothing is deleted, renamed or created by accident.
func TestTreeCannotBeChanged(t *testing.T) {
	h, _, m := oneLUN(t)
	lun := m.lun(1)
	wantErrno(t, "unlink", os.Remove(lun), unix.EPERM)
	wantErrno(t, "rename", os.Rename(lun, lun+".old"), unix.EPERM)
	wantErrno(t, "mkdir", os.Mkdir(m.point+"/new", 0o755), unix.EPERM)
	wantErrno(t, "symlink", os.Symlink(lun, m.point+"/new"), unix.EPERM)
	wantErrno(t, "link", os.Link(lun, m.point+"/new"), unix.EPERM)
	_, err := os.Create(m.point + "/new")
	wantErrno(t, "create", err, unix.EPERM)
	wantErrno(t, "chmod", os.Chmod(lun, 0o644), unix.EPERM)
	wantErrno(t, "chown", os.Chown(lun, 12, 34), unix.EPERM)
	h.sh(`chmod 0600 "$1"; chown "$(id -u):$(id -g)" "$1"; touch "$1"`, lun)
}
