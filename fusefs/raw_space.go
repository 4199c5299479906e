package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func (f *raw) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	h := f.handles.get(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	const zero, keep = unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_KEEP_SIZE
	switch in.Mode {
	case 0:
		return allocate(h.file.lun, in)
	case zero, zero | keep:
		length, status := zeroLength(h.file.lun, in)
		if status != fuse.OK {
			return status
		}
		return f.do(h, cancel, &in.InHeader, "zero", func(r *request) error {
			return h.file.lun.Zero(r, int64(in.Offset), length)
		})
	}
	return fuse.ENOTSUP
}

// allocate is fallocate(2) of mode 0: a disk has all its space.
func allocate(lun LUN, in *fuse.FallocateIn) fuse.Status {
	if in.Offset+in.Length > uint64(lun.Size()) {
		return fuse.Status(syscall.ENOSPC)
	}
	return fuse.OK
}

// zeroLength is the length of the range to be zeroed, by the rules of block
// devices: it starts inside, and may reach past the end only where the caller
// said that the size is to be kept.
func zeroLength(lun LUN, in *fuse.FallocateIn) (int64, fuse.Status) {
	size := uint64(lun.Size())
	end := in.Offset + in.Length
	if in.Offset >= size || end > size && in.Mode&unix.FALLOC_FL_KEEP_SIZE == 0 {
		return 0, fuse.EINVAL
	}
	return int64(min(end, size) - in.Offset), fuse.OK
}

// Lseek comes for SEEK_DATA and SEEK_HOLE only. All is data, but for the hole
// that every file has at its end.
func (f *raw) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	h := f.handles.get(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	size := uint64(h.file.lun.Size())
	if in.Offset >= size {
		return fuse.Status(syscall.ENXIO)
	}
	switch in.Whence {
	case unix.SEEK_DATA:
		out.Offset = in.Offset
	case unix.SEEK_HOLE:
		out.Offset = size
	default:
		return fuse.EINVAL
	}
	return fuse.OK
}
