package target

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// file is a backing in a sparse file.
type file struct {
	f     *os.File
	bytes int64
}

// openFile opens a file, or makes it. size 0 takes that of the file.
func openFile(path string, size int64) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		size, err = f.Seek(0, io.SeekEnd)
	} else {
		err = f.Truncate(size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{f, size}, nil
}

func (b *file) size() int64  { return b.bytes }
func (b *file) sync() error  { return b.f.Sync() }
func (b *file) close() error { return b.f.Close() }

func (b *file) resize(n int64) error {
	if err := b.f.Truncate(n); err != nil {
		return err
	}
	b.bytes = n
	return nil
}

func (b *file) read(p []byte, off int64) error {
	n, err := b.f.ReadAt(p, off)
	if err == io.EOF {
		clear(p[n:])
		return nil
	}
	return err
}

func (b *file) write(p []byte, off int64) error {
	_, err := b.f.WriteAt(p, off)
	return err
}

func (b *file) unmap(off, n int64) error {
	return unix.Fallocate(int(b.f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// mapped asks the file system for the next hole or data. A file system that
// does not know says that all is data.
func (b *file) mapped(off, n int64) (bool, int64) {
	data, err := unix.Seek(int(b.f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return false, n // a hole up to the end
	}
	if err != nil {
		return true, n
	}
	if data > off {
		return false, min(n, data-off)
	}
	hole, err := unix.Seek(int(b.f.Fd()), off, unix.SEEK_HOLE)
	if err != nil {
		return true, n
	}
	return true, min(n, hole-off)
}
