package fusefs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mounted is a tree with one LUN file, in service.
type mounted struct {
	*FS
	server *Server
	lun    *memLUN
	file   string // the path of the LUN file
}

const lunSize = 1 << 20

// mountLUN mounts a LUN full of 0xFF. When the test ends it is unmounted and
// nothing must be left of it.
func mountLUN(t *testing.T, opts Options) *mounted {
	t.Helper()
	return mountThis(t, opts, newMemLUN(lunSize, 0xff))
}

func mountThis(t *testing.T, opts Options, lun *memLUN) *mounted {
	t.Helper()
	needFUSE(t)
	if opts.Mode == 0 {
		opts.Mode = 0o600
	}
	fds := openFDs(t)
	m := &mounted{FS: New(opts), lun: lun}
	if err := m.AddLUN("", "lun0", lun, nil); err != nil {
		t.Fatal(err)
	}
	point := t.TempDir()
	server, err := Mount(m.FS, point, MountOptions{Source: "/etc/iscsifs/test.toml"})
	if err != nil {
		t.Fatal(err)
	}
	m.server, m.file = server, filepath.Join(point, "lun0")
	t.Cleanup(func() { m.unmount(t, fds) })
	return m
}

func needFUSE(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("no FUSE here: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root mounts without help")
	}
}

// unmount ends the mount: cleanly, or, when the test has failed to close what
// it opened, by force, for a mount that stays behind hangs whoever touches it.
func (m *mounted) unmount(t *testing.T, fds int) {
	err := m.server.Unmount()
	if errors.Is(err, unix.EINVAL) { // the test has unmounted it
		err = nil
	}
	if err != nil {
		t.Errorf("unmount: %v; open: %+v", err, m.OpenFiles())
		m.CutAll()
		unix.Unmount(m.server.Point(), unix.MNT_DETACH|unix.MNT_FORCE)
		return
	}
	m.server.Wait()
	if open := m.OpenFiles(); len(open) > 0 {
		t.Errorf("open after unmount: %+v", open)
	}
	if n := m.lun.released.Load(); n != 0 {
		t.Errorf("%d slices were not released", n)
	}
	if now := openFDs(t); now > fds {
		t.Errorf("%d file descriptors before the mount, %d after it", fds, now)
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// open opens a file by the bare system call: package os would have the runtime
// poll it, and so wait for this process while it blocks it.
func open(t *testing.T, path string, flags int) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func closeFD(t *testing.T, fd int) {
	t.Helper()
	if err := unix.Close(fd); err != nil {
		t.Errorf("close: %v", err)
	}
}

func pwrite(t *testing.T, fd int, p []byte, off int64) {
	t.Helper()
	if n, err := unix.Pwrite(fd, p, off); n != len(p) || err != nil {
		t.Fatalf("pwrite of %d at %d: %d, %v", len(p), off, n, err)
	}
}

// expect compares the outcome of a system call.
func expect(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || (got == nil) != (want == nil) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
