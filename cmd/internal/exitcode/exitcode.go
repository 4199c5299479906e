// Package exitcode holds the codes that iscsifs exits with, and the error that
// carries one from where a failure is understood to main, the only place that
// exits.
//
// A code survives wrapping: [Of] finds it however deep it is. Of several errors
// joined with errors.Join the first gives the code, so a caller that joins the
// failures of its targets in the file's order exits as promised.
package exitcode

import (
	"errors"
	"fmt"
)

// Code is an exit status of the program.
type Code int

// The exit codes of every command; Meanings explains them.
const (
	Done        Code = 0
	Failed      Code = 1
	Usage       Code = 2
	Refused     Code = 3
	Unreachable Code = 4
	InUse       Code = 5
	Dirty       Code = 6
)

// Meaning is what a code tells who called the program.
type Meaning struct {
	Code Code
	Text string
}

// Meanings explains the codes, in their order, for help and manual.
var Meanings = []Meaning{
	{Done, "done"},
	{Failed, "failed otherwise; also a configured LUN that is missing or is no disk"},
	{Usage, "wrong usage or configuration"},
	{Refused, "refused: authentication or authorization, on either side"},
	{Unreachable, "unreachable: no connection, no answer in time, not iSCSI, no such target there, target out of service"},
	{InUse, "in use: a LUN, a file, a mountpoint or the port of metrics"},
	{Dirty, "dirty data could not be written"},
}

// The exit codes of mount(8)'s and umount(8)'s helpers.
const (
	HelperUsage   Code = 1
	HelperFailure Code = 32
)

// Helper translates a command's code into that of a helper of mount(8).
func (c Code) Helper() Code {
	switch c {
	case Done:
		return Done
	case Usage:
		return HelperUsage
	default:
		return HelperFailure
	}
}

// Error is a failure that knows the code to exit with. Its message is that of
// its cause alone.
type Error struct {
	Code Code
	Err  error
}

// Error returns the cause's message.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// With gives an error the code to exit with; nil stays nil.
func With(code Code, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, Err: err}
}

// Errorf is With of fmt.Errorf.
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Of returns the code to exit with: Done for nil, Failed for an error that
// carries none, else the outermost and first that it carries.
func Of(err error) int {
	if err == nil {
		return int(Done)
	}
	var e *Error
	if errors.As(err, &e) {
		return int(e.Code)
	}
	return int(Failed)
}
