package fusefs

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// toErrno is the one place where an error becomes an error number. ENOSYS is
// none: it would turn the operation off for all files of the mount.
func toErrno(err error) syscall.Errno {
	var errno syscall.Errno
	var holder interface{ Errno() syscall.Errno }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &holder) && usable(holder.Errno()):
		return holder.Errno()
	case errors.As(err, &errno) && usable(errno):
		return errno
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return syscall.EINTR
	}
	return syscall.EIO
}

func usable(errno syscall.Errno) bool { return errno != 0 && errno != syscall.ENOSYS }

// status is the answer to a request that ended with err.
func (f *FS) status(r *request, op string, err error) fuse.Status {
	if err == nil && r.handle.cut.Load() {
		return fuse.EIO // what was written may go with the LUN
	}
	if err == nil {
		return fuse.OK
	}
	if cause := r.cause(); cause != 0 && errors.Is(err, context.Canceled) {
		return fuse.Status(cause)
	}
	errno := toErrno(err)
	f.failed.log(f.log, r.handle.file.path, op, errno, err)
	return fuse.Status(errno)
}
