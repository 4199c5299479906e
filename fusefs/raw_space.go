package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	zeroRange = unix.FALLOC_FL_ZERO_RANGE
	punchHole = unix.FALLOC_FL_PUNCH_HOLE
	keepSize  = unix.FALLOC_FL_KEEP_SIZE
)

// Fallocate answers by the rules of block devices (blkdev_fallocate in the kernel), but
// that a range need not be aligned. The modes of files that could be sparse otherwise,
// or be cut up, are unknown.
func (f *raw) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	h := f.handles.get(in.Fh)
	switch {
	case h == nil || !h.writing():
		return fuse.EBADF
	case f.readOnly(h.file.lun):
		return fuse.EROFS
	}
	lun := h.file.lun
	op, erase := "zero", lun.Zero
	switch in.Mode {
	case 0:
		return allocate(lun, in)
	case punchHole | keepSize:
		op, erase = "punch a hole", lun.Punch
	case zeroRange, zeroRange | keepSize:
	default:
		return fuse.ENOTSUP
	}
	end, status := eraseEnd(lun, in)
	if status != fuse.OK {
		return status
	}
	unsupported := false
	status = f.do(h, cancel, &in.InHeader, op, func(r *request) error {
		off := int64(in.Offset)
		err := erase(r, off, end-off)
		if unsupported = toErrno(err) == syscall.EOPNOTSUPP; unsupported {
			return nil // an answer, and no failure
		}
		if err == nil && h.gap != nil {
			err = h.gap.erased(r, off, end)
		}
		return err
	})
	if unsupported {
		return fuse.ENOTSUP
	}
	return status
}

// allocate is fallocate(2) of mode 0: a disk has all its space, unless it is thin.
func allocate(lun LUN, in *fuse.FallocateIn) fuse.Status {
	switch {
	case lun.Thin():
		return fuse.ENOTSUP
	case in.Offset+in.Length > uint64(lun.Size()):
		return fuse.Status(syscall.ENOSPC)
	}
	return fuse.OK
}

// eraseEnd is the end of a range to be erased, by the rules of block devices: it starts
// inside, and may reach past the end only where the caller said that the size is to be
// kept.
func eraseEnd(lun LUN, in *fuse.FallocateIn) (int64, fuse.Status) {
	size := uint64(lun.Size())
	end := in.Offset + in.Length
	if in.Offset >= size || end > size && in.Mode&keepSize == 0 {
		return 0, fuse.EINVAL
	}
	return int64(min(end, size)), fuse.OK
}

// maxExtents is how many extents one Lseek asks for at most.
const maxExtents = 256

// Lseek comes for SEEK_DATA and SEEK_HOLE only.
func (f *raw) Lseek(cancel <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	h := f.handles.get(in.Fh)
	switch {
	case h == nil:
		return fuse.EBADF
	case in.Whence != unix.SEEK_DATA && in.Whence != unix.SEEK_HOLE:
		return fuse.EINVAL
	}
	found := nothing
	status := f.do(h, cancel, &in.InHeader, "seek", func(r *request) (err error) {
		found, err = seek(r, h.file.lun, int64(in.Offset), in.Whence == unix.SEEK_HOLE)
		return err
	})
	if status == fuse.OK && found == nothing {
		return fuse.Status(syscall.ENXIO)
	}
	out.Offset = uint64(found)
	return status
}

const nothing int64 = -1

// seek is where the next hole begins, or the next data, from off on, or nothing. There
// is a hole at the end of every file. Where that takes too many questions, what is not
// known is data.
func seek(r *request, lun LUN, off int64, hole bool) (int64, error) {
	size := lun.Size()
	if off >= size {
		return nothing, nil
	}
	for range maxExtents {
		n, is, err := lun.Allocation(r, off)
		switch {
		case err != nil:
			return nothing, err
		case is == hole:
			return off, nil
		}
		if off += n; off < size {
			continue
		}
		if hole {
			return size, nil
		}
		return nothing, nil
	}
	if hole {
		return size, nil
	}
	return off, nil
}
