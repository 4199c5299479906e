package fusefs

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func random(n int) []byte {
	p := make([]byte, n)
	rand.Read(p)
	return p
}

func TestReadAndWrite(t *testing.T) {
	for name, flags := range map[string]int{"buffered": 0, "O_DIRECT": unix.O_DIRECT} {
		t.Run(name, func(t *testing.T) {
			m := mountLUN(t, Options{})
			fd := open(t, m.file, unix.O_RDWR|flags)
			want := m.lun.content()
			for _, c := range []struct{ off, n int }{{0, 512}, {4096, 300000}, {777, 1}, {lunSize - 13, 13}} {
				p := random(c.n)
				copy(want[c.off:], p)
				pwrite(t, fd, p, int64(c.off))
			}
			if !bytes.Equal(m.lun.content(), want) {
				t.Error("the LUN does not hold what was written")
			}
			got := make([]byte, lunSize+1)
			n, err := unix.Pread(fd, got, 0)
			if err != nil || !bytes.Equal(got[:n], want) {
				t.Errorf("read %d bytes, %v; equal: %v", n, err, bytes.Equal(got[:n], want))
			}
			n, err = unix.Pread(fd, got, lunSize)
			if n != 0 || err != nil {
				t.Errorf("read at the end: %d, %v", n, err)
			}
			closeFD(t, fd)
		})
	}
}

func TestWritePastTheEnd(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_WRONLY)
	n, err := unix.Pwrite(fd, make([]byte, 1000), lunSize-600)
	if n != 600 || err != nil {
		t.Errorf("across the end: %d, %v; want 600", n, err)
	}
	for _, off := range []int64{lunSize, lunSize + 512, lunSize + 1<<40} {
		_, err = unix.Pwrite(fd, make([]byte, 512), off)
		expect(t, fmt.Sprintf("write at %d", off), err, unix.ENOSPC)
	}
	closeFD(t, fd)
}

func TestParallelWriters(t *testing.T) {
	m := mountLUN(t, Options{})
	const writers, piece = 16, lunSize / 16
	want := random(lunSize)
	var wg sync.WaitGroup
	for i := range writers {
		fd := open(t, m.file, unix.O_RDWR)
		wg.Go(func() {
			defer unix.Close(fd)
			for off := i * piece; off < (i+1)*piece; off += 4096 {
				if n, err := unix.Pwrite(fd, want[off:off+4096], int64(off)); n != 4096 || err != nil {
					t.Errorf("write at %d: %d, %v", off, n, err)
				}
			}
		})
	}
	wg.Wait()
	if !bytes.Equal(m.lun.content(), want) {
		t.Error("writes are missing")
	}
}

// TestWritesRunInParallel: writers to one file do not wait for each other.
func TestWritesRunInParallel(t *testing.T) {
	m := mountLUN(t, Options{})
	reopen := m.lun.close()
	defer reopen()
	const writers = 4
	var wg sync.WaitGroup
	for i := range writers {
		fd := open(t, m.file, unix.O_WRONLY)
		wg.Go(func() {
			defer unix.Close(fd)
			if _, err := unix.Pwrite(fd, make([]byte, 512), int64(i)*4096); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all writers in the LUN at once", func() bool { return m.lun.waiting.Load() == writers })
	reopen()
	wg.Wait()
}

func TestSharedMmap(t *testing.T) {
	m := mountLUN(t, Options{})
	needMmap(t, m)
	runHelper(t, m, "mmap")
	if !bytes.Contains(m.lun.content(), []byte("through a mapping")) || m.lun.Unsynced() {
		t.Error("msync left something behind")
	}
}

func TestCommandsNeedNoFlags(t *testing.T) {
	m := mountLUN(t, Options{})
	for _, command := range []string{
		"sha256sum $LUN",
		"dd if=$LUN of=/dev/null bs=64k status=none",
		"dd if=/dev/urandom of=$LUN bs=64k count=2 conv=notrunc,fsync status=none",
		"cp $LUN $TMP/copy && cmp $LUN $TMP/copy",
		"cat $LUN > $TMP/cat && cmp $LUN $TMP/cat",
		"flock $LUN true",
	} {
		if out, err := shell(t, m, command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", command, err, out)
		}
	}
}

// shell prepares a shell command that knows the LUN file as $LUN and a
// directory of its own as $TMP.
func shell(t *testing.T, m *mounted, command string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
	cmd.Env = append(cmd.Environ(), "LUN="+m.file, "TMP="+t.TempDir())
	return cmd
}
