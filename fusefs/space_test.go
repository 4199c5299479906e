package fusefs

import (
	"bytes"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFallocate(t *testing.T) {
	for _, c := range []struct {
		mode        uint32
		off, n      int64
		fixed, thin error // of a LUN that can have holes, and of another
		zeroed      int64 // bytes from off on, where there is no error
		description string
	}{
		{0, 0, lunSize, nil, unix.EOPNOTSUPP, 0, "allocate inside"},
		{0, 1, lunSize, unix.ENOSPC, unix.EOPNOTSUPP, 0, "allocate past the end"},
		{zeroRange, 1000, 5000, nil, nil, 5000, "zero inside"},
		{zeroRange | keepSize, 1000, 5000, nil, nil, 5000, "zero inside, keep"},
		{zeroRange, lunSize - 10, 11, unix.EINVAL, unix.EINVAL, 0, "zero past the end"},
		{zeroRange | keepSize, lunSize - 10, 11, nil, nil, 10, "zero past the end, keep"},
		{zeroRange | keepSize, lunSize, 11, unix.EINVAL, unix.EINVAL, 0, "zero after the end"},
		{punchHole | keepSize, 1000, 5000, unix.EOPNOTSUPP, nil, 5000, "punch"},
		{punchHole | keepSize, lunSize - 10, 11, unix.EOPNOTSUPP, nil, 10, "punch past the end"},
		{punchHole | keepSize, lunSize, 11, unix.EINVAL, unix.EINVAL, 0, "punch after the end"},
		{punchHole, 0, 4096, unix.EOPNOTSUPP, unix.EOPNOTSUPP, 0, "punch, do not keep"},
		{keepSize, 0, 4096, unix.EOPNOTSUPP, unix.EOPNOTSUPP, 0, "allocate, keep"},
		{unix.FALLOC_FL_COLLAPSE_RANGE, 0, 4096, unix.EOPNOTSUPP, unix.EOPNOTSUPP, 0, "collapse"},
		{unix.FALLOC_FL_INSERT_RANGE, 0, 4096, unix.EOPNOTSUPP, unix.EOPNOTSUPP, 0, "insert"},
		{unix.FALLOC_FL_UNSHARE_RANGE, 0, 4096, unix.EOPNOTSUPP, unix.EOPNOTSUPP, 0, "unshare"},
		{zeroRange, 0, 0, unix.EINVAL, unix.EINVAL, 0, "zero nothing"},
		{zeroRange, -1, 10, unix.EINVAL, unix.EINVAL, 0, "zero before the start"},
	} {
		for kind, wantErr := range map[string]error{"fixed": c.fixed, "thin": c.thin} {
			t.Run(c.description+" "+kind, func(t *testing.T) {
				lun := newMemLUN(lunSize, 0xff)
				lun.thin = kind == "thin"
				m := mountThis(t, Options{}, lun)
				fd := open(t, m.file, unix.O_WRONLY)
				want, before := m.lun.content(), m.lun.ModTime()
				if wantErr == nil && c.zeroed > 0 {
					clear(want[c.off : c.off+c.zeroed])
				}
				for range 2 { // an error must not turn the operation off
					expect(t, "fallocate", unix.Fallocate(fd, c.mode, c.off, c.n), wantErr)
				}
				if !bytes.Equal(m.lun.content(), want) {
					t.Error("the wrong bytes were zeroed")
				}
				if wrote := c.zeroed > 0 && wantErr == nil; m.lun.Unsynced() != wrote || m.lun.ModTime().After(before) != wrote {
					t.Errorf("it counts as a write: %v", m.lun.Unsynced())
				}
				closeFD(t, fd)
				if m.lun.Unsynced() {
					t.Error("close has not synchronized")
				}
			})
		}
	}
}

// TestFallocateReadOnly: as for a write, whatever the mode.
func TestFallocateReadOnly(t *testing.T) {
	m := mountLUN(t, Options{})
	reader, writer := open(t, m.file, unix.O_RDONLY), open(t, m.file, unix.O_WRONLY)
	for _, mode := range []uint32{0, zeroRange, punchHole | keepSize} {
		expect(t, "of a reader", unix.Fallocate(reader, mode, 0, 512), unix.EBADF)
	}
	m.lun.protect(true)
	for _, mode := range []uint32{0, zeroRange, punchHole | keepSize} {
		expect(t, "of a LUN that was protected since", unix.Fallocate(writer, mode, 0, 512), unix.EROFS)
	}
	m.lun.protect(false)
	closeFD(t, reader)
	closeFD(t, writer)
}

// TestFallocateAndGaps: what was erased after O_TRUNC need not be made zero again, and
// does not move the end of what was written.
func TestFallocateAndGaps(t *testing.T) {
	lun := newMemLUN(lunSize, 0xff)
	lun.thin = true
	m := mountThis(t, Options{}, lun)
	fd := open(t, m.file, unix.O_WRONLY|unix.O_TRUNC)
	want := bytes.Repeat([]byte{0xff}, lunSize)
	clear(want[:900<<10])
	pwrite(t, fd, []byte("beginning"), 0)
	copy(want, "beginning")
	expect(t, "punch", unix.Fallocate(fd, punchHole|keepSize, 9, 300<<10), nil)
	pwrite(t, fd, []byte("within"), 100<<10)
	copy(want[100<<10:], "within")
	if n := lun.freed(); n != 300<<10 {
		t.Errorf("%d bytes are freed", n)
	}
	pwrite(t, fd, []byte("behind"), 600<<10)
	copy(want[600<<10:], "behind")
	if n, gap := lun.freed(), int64(300<<10+600<<10-(300<<10+9)); n != gap {
		t.Errorf("%d bytes are freed, want %d: the gap is a hole", n, gap)
	}
	expect(t, "zero what lies apart", unix.Fallocate(fd, zeroRange, 800<<10, 4096), nil)
	expect(t, "ftruncate", unix.Ftruncate(fd, 900<<10), nil)
	closeFD(t, fd)
	if got := m.lun.content(); !bytes.Equal(got, want) {
		t.Errorf("first difference at %d", difference(got, want))
	}
}

// TestFallocateEnds: a cut ends it as it ends a write.
func TestFallocateEnds(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_RDWR)
	reopen := m.lun.close()
	defer reopen()
	var wg sync.WaitGroup
	wg.Go(func() {
		expect(t, "zeroing that waits", unix.Fallocate(fd, zeroRange, 0, 512), unix.EIO)
	})
	other := open(t, m.file, unix.O_RDONLY)
	wg.Go(func() {
		_, err := unix.Seek(other, 0, unix.SEEK_HOLE)
		expect(t, "seeking that waits", err, unix.EIO)
	})
	eventually(t, "one waits, and perhaps the other for it", func() bool { return m.lun.waiting.Load() >= 1 })
	expect(t, "cut", m.Cut("lun0"), nil)
	wg.Wait()
	reopen()
	closeFD(t, other)
	expect(t, "close", unix.Close(fd), unix.EIO)
}

func TestKillEndsFallocate(t *testing.T) {
	for _, name := range []string{"zero", "seek"} {
		m := mountLUN(t, Options{})
		cmd, reopen := startWriter(t, m, name)
		expect(t, "SIGKILL", cmd.Process.Signal(syscall.SIGKILL), nil)
		died := make(chan error, 1)
		go func() { died <- cmd.Wait() }()
		select {
		case <-died:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: SIGKILL did not end the wait", name)
			reopen()
			<-died
		}
		reopen()
		eventually(t, "synchronized in the background", func() bool { return !m.lun.Unsynced() })
	}
}

func TestSeek(t *testing.T) {
	lun := newMemLUN(lunSize, 0xff)
	lun.thin = true
	clear(lun.data[4096:40960])
	clear(lun.data[lunSize-8192:])
	for _, c := range []struct {
		thin   bool
		off    int64
		whence int
		want   int64
		err    error
		asked  int64
	}{
		{false, 100, unix.SEEK_DATA, 100, nil, 1},
		{false, 100, unix.SEEK_HOLE, lunSize, nil, 1},
		{true, 100, unix.SEEK_DATA, 100, nil, 1},
		{true, 100, unix.SEEK_HOLE, 4096, nil, 9},
		{true, 4096, unix.SEEK_HOLE, 4096, nil, 1},
		{true, 5000, unix.SEEK_HOLE, 5000, nil, 1},
		{true, 5000, unix.SEEK_DATA, 40960, nil, 72},
		{true, lunSize - 9000, unix.SEEK_HOLE, lunSize - 8192, nil, 3},
		{true, lunSize - 8000, unix.SEEK_DATA, -1, unix.ENXIO, 16},
		{true, 40960, unix.SEEK_HOLE, lunSize, nil, maxExtents}, // too many questions: data
		{true, lunSize, unix.SEEK_DATA, -1, unix.ENXIO, 0},
		{true, lunSize, unix.SEEK_HOLE, -1, unix.ENXIO, 0},
		{true, lunSize + 5, unix.SEEK_HOLE, -1, unix.ENXIO, 0},
		{true, -1, unix.SEEK_END, lunSize - 1, nil, 0},
	} {
		t.Run(fmt.Sprint(c.thin, c.off, c.whence), func(t *testing.T) {
			lun.thin = c.thin
			m := mountThis(t, Options{}, lun)
			fd := open(t, m.file, unix.O_RDONLY)
			before := lun.asked.Load()
			got, err := unix.Seek(fd, c.off, c.whence)
			expect(t, "seek", err, c.err)
			if n := lun.asked.Load() - before; got != c.want || n != c.asked {
				t.Errorf("%d after %d questions, want %d after %d", got, n, c.want, c.asked)
			}
			if at, err := unix.Seek(fd, 0, unix.SEEK_CUR); err != nil || at != max(c.want, 0) {
				t.Errorf("then at %d, %v", at, err)
			}
			closeFD(t, fd)
		})
	}
}

// TestSeekTooFar: data is never taken for a hole, however many holes there are.
func TestSeekTooFar(t *testing.T) {
	lun := newMemLUN(lunSize, 0)
	lun.thin = true
	m := mountThis(t, Options{}, lun)
	fd := open(t, m.file, unix.O_RDONLY)
	got, err := unix.Seek(fd, 0, unix.SEEK_DATA)
	if want := int64(maxExtents * extent); got != want || err != nil {
		t.Errorf("%d, %v; want %d", got, err, want)
	}
	closeFD(t, fd)
}

func (l *memLUN) freed() int64 { l.mu.Lock(); defer l.mu.Unlock(); return l.punched }

func (l *memLUN) protect(is bool) { l.protected.Store(is) }
