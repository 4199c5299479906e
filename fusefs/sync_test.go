package fusefs

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWhoSynchronizes counts SYNCHRONIZE CACHE after each way to ask for it.
func TestWhoSynchronizes(t *testing.T) {
	write := func(fd int) error { _, err := unix.Pwrite(fd, make([]byte, 512), 0); return err }
	for name, c := range map[string]struct {
		flags int
		do    func(fd int) error
		want  int64
	}{
		"write":     {unix.O_WRONLY, write, 0},
		"O_SYNC":    {unix.O_WRONLY | unix.O_SYNC, write, 1},
		"O_DSYNC":   {unix.O_WRONLY | unix.O_DSYNC, write, 1},
		"RWF_DSYNC": {unix.O_WRONLY, writeDsync, 1},
		"fsync":     {unix.O_WRONLY, then(write, unix.Fsync), 1},
		"fdatasync": {unix.O_WRONLY, then(write, unix.Fdatasync), 1},
		"two":       {unix.O_WRONLY, then(then(write, unix.Fsync), unix.Fsync), 1},
		"nothing":   {unix.O_WRONLY, unix.Fsync, 0},
		"read-only": {unix.O_RDONLY, unix.Fsync, 0},
		"dup": {unix.O_WRONLY, then(write, func(fd int) error {
			two, err := unix.Dup(fd)
			if err != nil {
				return err
			}
			return unix.Close(two)
		}), 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := mountLUN(t, Options{})
			fd := open(t, m.file, c.flags)
			expect(t, name, c.do(fd), nil)
			if got := m.lun.syncs.Load(); got != c.want {
				t.Errorf("%d synchronizations, want %d", got, c.want)
			}
			closeFD(t, fd)
			if m.lun.Unsynced() {
				t.Error("not synchronized when closed")
			}
		})
	}
}

func then(first, second func(int) error) func(int) error {
	return func(fd int) error {
		if err := first(fd); err != nil {
			return err
		}
		return second(fd)
	}
}

func writeDsync(fd int) error {
	_, err := unix.Pwritev2(fd, [][]byte{make([]byte, 512)}, 0, unix.RWF_DSYNC)
	return err
}

// TestReaderDoesNotSynchronize: closing what was open for reading is free.
func TestReaderDoesNotSynchronize(t *testing.T) {
	m := mountLUN(t, Options{})
	writer := open(t, m.file, unix.O_WRONLY)
	pwrite(t, writer, make([]byte, 512), 0)
	closeFD(t, open(t, m.file, unix.O_RDONLY))
	if !m.lun.Unsynced() {
		t.Error("closing a reader synchronized")
	}
	closeFD(t, writer)
}

// TestReleaseWithoutClose: a mapping is the last reference, so that no FLUSH
// comes when it goes.
func TestReleaseWithoutClose(t *testing.T) {
	m := mountLUN(t, Options{})
	needMmap(t, m)
	runHelper(t, m, "release")
	eventually(t, "written and synchronized", func() bool {
		return m.lun.content()[0] == 1 && !m.lun.Unsynced() && len(m.handles.files()) == 0
	})
}

func TestErrorsReachTheCaller(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_RDWR)
	pwrite(t, fd, make([]byte, 512), 0)
	for given, want := range map[error]error{
		unix.EBADE:                         unix.EBADE,
		fmt.Errorf("why: %w", unix.ENOSPC): unix.ENOSPC,
		withErrno{unix.EROFS}:              unix.EROFS,
		fmt.Errorf("unheard of"):           unix.EIO,
		unix.ENOSYS:                        unix.EIO,
	} {
		m.lun.fail(given)
		_, err := unix.Pread(fd, make([]byte, 512), 0)
		expect(t, "read", err, want)
		_, err = unix.Pwrite(fd, make([]byte, 512), 0)
		expect(t, "write", err, want)
		expect(t, "fsync", unix.Fsync(fd), want)
		expect(t, "fallocate", unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 0, 512), want)
	}
	m.lun.fail(nil)
	expect(t, "fsync after all is well", unix.Fsync(fd), nil)
	closeFD(t, fd)
}

type withErrno struct{ errno unix.Errno }

func (e withErrno) Error() string     { return "an error with a number" }
func (e withErrno) Errno() unix.Errno { return e.errno }

// TestEachHandleHearsOfAFailureOnce, whoever met it first.
func TestEachHandleHearsOfAFailureOnce(t *testing.T) {
	m := mountLUN(t, Options{})
	a, b := open(t, m.file, unix.O_RDWR), open(t, m.file, unix.O_RDWR)
	pwrite(t, a, make([]byte, 512), 0)
	m.lun.fail(unix.EIO)
	expect(t, "fsync", unix.Fsync(a), unix.EIO)
	m.lun.fail(nil)
	c := open(t, m.file, unix.O_RDWR)
	expect(t, "fsync of who has heard", unix.Fsync(a), nil)
	expect(t, "fsync of the other", unix.Fsync(b), unix.EIO)
	expect(t, "second fsync of the other", unix.Fsync(b), nil)
	expect(t, "fsync of who came later", unix.Fsync(c), nil)
	m.lun.failures.Add(1)
	expect(t, "close", unix.Close(a), unix.EIO)
	expect(t, "fsync", unix.Fsync(b), unix.EIO)
	closeFD(t, b)
	expect(t, "close", unix.Close(c), unix.EIO)
}
