package daemon

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/initiator"
)

// unreachable are the causes that mean: nobody there, not now, or not iSCSI.
var unreachable = []error{
	initiator.ErrTimeout,
	initiator.ErrNotISCSI,
	initiator.ErrSessionLost,
	initiator.ErrLUNLost,
	initiator.LoginNotFound,
	initiator.LoginTargetRemoved,
	initiator.LoginServiceUnavailable,
	initiator.LoginOutOfResources,
	initiator.LoginTargetError,
	initiator.LoginTargetMovedTemporarily,
	initiator.LoginTargetMovedPermanently,
	context.DeadlineExceeded,
}

// Classify gives an error of the initiator the code to exit with; one that has
// a code keeps it.
func Classify(err error) error {
	var coded *exitcode.Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return exitcode.With(codeOf(err), err)
}

func codeOf(err error) exitcode.Code {
	var network net.Error
	var errno syscall.Errno
	switch {
	case initiator.Refused(err):
		return exitcode.Refused
	case isAny(err, unreachable), errors.As(err, &network):
		return exitcode.Unreachable
	case errors.As(err, &errno):
		return exitcode.Unreachable // ECONNRESET and its like, from below the session
	}
	return exitcode.Failed
}

func isAny(err error, list []error) bool {
	for _, candidate := range list {
		if errors.Is(err, candidate) {
			return true
		}
	}
	return false
}
