package fusefs

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFallocate(t *testing.T) {
	const keep, zero, punch = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_PUNCH_HOLE
	for _, c := range []struct {
		mode        uint32
		off, n      int64
		want        error
		zeroed      int64 // bytes from off on
		description string
	}{
		{0, 0, lunSize, nil, 0, "allocate inside"},
		{0, 1, lunSize, unix.ENOSPC, 0, "allocate past the end"},
		{zero, 1000, 5000, nil, 5000, "zero inside"},
		{zero | keep, 1000, 5000, nil, 5000, "zero inside, keep"},
		{zero, lunSize - 10, 11, unix.EINVAL, 0, "zero past the end"},
		{zero | keep, lunSize - 10, 11, nil, 10, "zero past the end, keep"},
		{zero | keep, lunSize, 11, unix.EINVAL, 0, "zero after the end"},
		{punch | keep, 0, 4096, unix.EOPNOTSUPP, 0, "punch"},
		{keep, 0, 4096, unix.EOPNOTSUPP, 0, "allocate, keep"},
	} {
		t.Run(c.description, func(t *testing.T) {
			m := mountLUN(t, Options{})
			fd := open(t, m.file, unix.O_WRONLY)
			want := m.lun.content()
			clear(want[min(c.off, lunSize) : min(c.off, lunSize)+c.zeroed])
			expect(t, "fallocate", unix.Fallocate(fd, c.mode, c.off, c.n), c.want)
			if !bytes.Equal(m.lun.content(), want) {
				t.Error("the wrong bytes were zeroed")
			}
			expect(t, "fallocate again", unix.Fallocate(fd, c.mode, c.off, c.n), c.want)
			closeFD(t, fd)
		})
	}
}

func TestSeek(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_RDONLY)
	for _, c := range []struct {
		off    int64
		whence int
		want   int64
		err    error
	}{
		{100, unix.SEEK_DATA, 100, nil},
		{100, unix.SEEK_HOLE, lunSize, nil},
		{lunSize, unix.SEEK_DATA, -1, unix.ENXIO},
		{lunSize, unix.SEEK_HOLE, -1, unix.ENXIO},
		{-1, unix.SEEK_END, lunSize - 1, nil},
	} {
		got, err := unix.Seek(fd, c.off, c.whence)
		expect(t, fmt.Sprintf("seek %d, %d", c.off, c.whence), err, c.err)
		if got != c.want {
			t.Errorf("seek %d, %d: %d, want %d", c.off, c.whence, got, c.want)
		}
	}
	closeFD(t, fd)
}
