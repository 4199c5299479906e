package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

func TestClassify(t *testing.T) {
	refusedConnection := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		cause error
		want  exitcode.Code
	}{
		{initiator.LoginAuthenticationFailure, exitcode.Refused},
		{initiator.LoginForbidden, exitcode.Refused},
		{initiator.ErrAuthentication, exitcode.Refused},
		{initiator.LoginNotFound, exitcode.Unreachable},
		{initiator.LoginTargetRemoved, exitcode.Unreachable},
		{initiator.LoginServiceUnavailable, exitcode.Unreachable},
		{initiator.LoginOutOfResources, exitcode.Unreachable},
		{initiator.ErrTimeout, exitcode.Unreachable},
		{initiator.ErrNotISCSI, exitcode.Unreachable},
		{initiator.ErrSessionLost, exitcode.Unreachable},
		{initiator.ErrLUNLost, exitcode.Unreachable},
		{context.DeadlineExceeded, exitcode.Unreachable},
		{refusedConnection, exitcode.Unreachable},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, exitcode.Unreachable},
		{syscall.ECONNRESET, exitcode.Unreachable},
		{initiator.ErrProtocol, exitcode.Failed},
		{initiator.ErrNotDisk, exitcode.Failed},
		{initiator.LoginUnsupportedVersion, exitcode.Failed},
		{errors.New("anything"), exitcode.Failed},
	} {
		err := Classify(&initiator.Error{Op: "login", Err: fmt.Errorf("wrapped: %w", c.cause)})
		if got := exitcode.Of(err); got != int(c.want) {
			t.Errorf("%v: code %d, want %d", c.cause, got, c.want)
		}
	}
}

func TestClassifySCSI(t *testing.T) {
	err := Classify(&initiator.Error{Op: "READ CAPACITY(16)", Err: initiator.ErrSCSI, Status: scsi.ReservationConflict})
	if got := exitcode.Of(err); got != int(exitcode.Failed) {
		t.Errorf("code %d, want %d", got, exitcode.Failed)
	}
}

// A code that was given before stays, and success stays success.
func TestClassifyKeeps(t *testing.T) {
	if err := Classify(exitcode.With(exitcode.InUse, initiator.ErrTimeout)); exitcode.Of(err) != int(exitcode.InUse) {
		t.Errorf("code %d", exitcode.Of(err))
	}
	if err := Classify(nil); err != nil {
		t.Errorf("nil becomes %v", err)
	}
}
