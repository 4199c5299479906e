package cache

import "syscall"

// Error is a condition that the Volume itself reports; errors of the Device
// pass through as they are.
type Error struct {
	text  string
	errno syscall.Errno
}

func (e *Error) Error() string { return e.text }

// Errno is the error number that stands for e in a system call.
func (e *Error) Errno() syscall.Errno { return e.errno }

var (
	// ErrEnd: a write that does not end within the capacity (ENOSPC).
	ErrEnd error = &Error{"write past the end of the disk", syscall.ENOSPC}
	// ErrRange: an offset below zero, or a range to be zeroed that does not lie
	// within the disk (EINVAL).
	ErrRange error = &Error{"range outside of the disk", syscall.EINVAL}
	// ErrReadOnly: a write to a write-protected disk (EROFS).
	ErrReadOnly error = &Error{"the disk is read-only", syscall.EROFS}
	// ErrLate: data could not be written for so long that another host may own
	// the disk by now; it is held back (EIO).
	ErrLate error = &Error{"the disk was away for too long, and another host may own it by now: what is dirty is held back until `iscsifs sync`", syscall.EIO}
	// ErrShrunk: the disk has shrunk, and data that is not synchronized lies
	// beyond its end, see [Volume.AcceptShrink] (EIO).
	ErrShrunk error = &Error{"the disk has shrunk, and data that was not written back lies beyond its end: nothing is written back until `iscsifs rescan --accept-shrink`, or until it has grown again", syscall.EIO}
	// ErrClosed: the Volume was closed (EIO).
	ErrClosed error = &Error{"the volume is closed", syscall.EIO}
)
