package initiator

import (
	"errors"
	"fmt"
	"strings"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Error is the type of every error that leaves this package.
type Error struct {
	// Op is what failed: "connect", "login", "discover", "logout", or the name
	// of a SCSI command such as "READ(16)".
	Op     string
	Target string // iSCSI name; empty in discovery
	Portal string // "host:port"
	LUN    string // decimal number of the logical unit; empty where none is meant
	// Status and Sense are the target's answer when Err is ErrSCSI.
	Status scsi.Status
	Sense  scsi.Sense
	// Err is the cause: a [LoginStatus], one of the sentinels of this package,
	// or an error of the network. Never nil.
	Err error
}

// Causes that callers tell apart.
var (
	// ErrSCSI: the target ended a command with the Status and Sense of Error.
	ErrSCSI = errors.New("SCSI error")
	// ErrProtocol: the peer broke RFC 7143; the connection was dropped.
	ErrProtocol = errors.New("iSCSI protocol error")
	// ErrNotISCSI: what answers at the portal does not speak iSCSI.
	ErrNotISCSI = errors.New("the answer is not iSCSI; is this the port of an iSCSI target?")
	// ErrAuthentication: CHAP failed on either side without a login status.
	ErrAuthentication = errors.New("authentication failed")
	// ErrTimeout: no answer in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrSessionLost: the session ended and could not be restored.
	ErrSessionLost = errors.New("session lost")
	// ErrLUNLost: the session goes on without the LUN, which did not come back
	// within the replacement timeout.
	ErrLUNLost = errors.New("LUN lost")
	// ErrClosed: the session, or the disk, was closed by its owner.
	ErrClosed = errors.New("closed")
	// ErrOutcomeUnknown: a command that must not be sent twice was not answered.
	ErrOutcomeUnknown = errors.New("nobody knows whether the target has executed it")
	// ErrNotDisk: the logical unit is absent or is no disk.
	ErrNotDisk = errors.New("not a disk")
	// ErrShort: a command moved less data, or more, than it had to.
	ErrShort = errors.New("incomplete transfer")
	// ErrNoFlush: what was written cannot be made durable.
	ErrNoFlush = errors.New("SYNCHRONIZE CACHE is not supported")
	// ErrNoDeallocation: the target cannot free blocks so that they read as zeroes
	// for certain. It is an errors.ErrUnsupported.
	ErrNoDeallocation = fmt.Errorf("%w: the target cannot free blocks so that they read as zeroes for certain", errors.ErrUnsupported)
	// ErrOutOfRange: an access that does not lie within the disk.
	ErrOutOfRange = errors.New("outside of the disk")
	// ErrIdentity: after a new login the LUN is not the logical unit it was.
	ErrIdentity = errors.New("the LUN is another logical unit than before")
	// ErrShrunk: the LUN has a smaller capacity than before, which nobody has
	// accepted.
	ErrShrunk = errors.New("the LUN has become smaller")
	// ErrNoReservations: the target cannot do what Disk.Reserve asks for.
	ErrNoReservations = errors.New("the target does not support the persistent reservation that is needed")
	// ErrReservationLost: the persistent reservation that Disk.Reserve took is
	// not this host's any more; nothing is written until it is called again.
	ErrReservationLost = errors.New("the persistent reservation is lost")
)

// AwayTooLong tells whether a command failed because its session, or its LUN, did
// not come back within the replacement timeout: another host may own the LUN by
// now. A LUN that is there, and not what it was, is not away.
func AwayTooLong(err error) bool {
	if errors.Is(err, ErrShrunk) || errors.Is(err, ErrIdentity) {
		return false
	}
	return errors.Is(err, ErrSessionLost) || errors.Is(err, ErrLUNLost)
}

// Error says in one sentence what failed, where and why.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	for _, part := range []struct{ word, value string }{
		{"LUN", e.LUN}, {"of", e.Target}, {"at", e.Portal},
	} {
		if part.value != "" {
			fmt.Fprintf(&b, " %s %s", part.word, part.value)
		}
	}
	b.WriteString(": ")
	if e.Err == ErrSCSI {
		b.WriteString(e.statusText())
	} else {
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) statusText() string {
	switch e.Status {
	case scsi.CheckCondition:
		return e.Sense.String()
	case scsi.ReservationConflict:
		return e.Status.String() + ": another host has reserved the LUN"
	}
	return e.Status.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// causeOf returns err without the words of this package around it, for those that
// word it anew.
func causeOf(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Timeout tells whether the peer did not answer in time.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.Is(e.Err, ErrTimeout) || errors.As(e.Err, &t) && t.Timeout()
}

// Refused tells whether authentication or authorization failed, on either
// side.
func Refused(err error) bool {
	var status LoginStatus
	if errors.As(err, &status) {
		return status == LoginAuthenticationFailure || status == LoginForbidden
	}
	return errors.Is(err, ErrAuthentication)
}
