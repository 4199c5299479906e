package initiator

import (
	"errors"
	"syscall"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// errnos gives the error number of a system call for each way in which a
// target can refuse a command; all others are EIO.
var errnos = map[scsi.Disposition]syscall.Errno{
	scsi.OutOfRange:      syscall.ENOSPC,
	scsi.SpaceExhausted:  syscall.ENOSPC,
	scsi.WriteProtected:  syscall.EROFS,
	scsi.ReservedByOther: syscall.EBADE,
	scsi.NotSupported:    syscall.EOPNOTSUPP,
}

// Errno returns the error number that stands for the error in a system call.
func (e *Error) Errno() syscall.Errno {
	switch {
	case errors.Is(e.Err, ErrSCSI):
		if no, ok := errnos[scsi.Classify(e.Status, e.Sense)]; ok {
			return no
		}
	case errors.Is(e.Err, ErrReservationLost), errors.As(e.Err, new(*ReservedError)):
		return syscall.EBADE
	case errors.Is(e.Err, ErrOutOfRange):
		return syscall.EINVAL
	case errors.Is(e.Err, ErrNoDeallocation):
		return syscall.EOPNOTSUPP
	}
	return syscall.EIO
}
