package reclaim

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// setFlusher marks every thread. The mark belongs to one thread, and a thread hands
// it on to those that it starts; the runtime starts threads from any of its own, so
// that all need it. Between the marking of the first and of the last it starts none.
func (p *Protection) setFlusher() (gap string) {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_IO_FLUSHER, 1, 0, 0, 0, 0)
	if errno != 0 {
		return fmt.Sprintf("the kernel may wait for this daemon while the daemon waits for memory (PR_SET_IO_FLUSHER: %s), "+
			"so that a file system on a loop device can hang when memory is short", whyNoFlusher(errno))
	}
	p.IOFlusher = true
	return ""
}

// whyNoFlusher names what is missing.
func whyNoFlusher(errno syscall.Errno) string {
	switch {
	case errors.Is(errno, unix.EPERM):
		return "needs CAP_SYS_RESOURCE"
	case errors.Is(errno, unix.ENOTSUP): // AllThreadsSyscall6 with cgo
		return "this binary was built with cgo"
	case errors.Is(errno, unix.EINVAL):
		return "needs Linux 5.6"
	}
	return errno.Error()
}
