package guard

import (
	"fmt"
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// Use says who uses what is locked, for the message to the next who wants it.
type Use struct {
	Mountpoint string `json:"mountpoint"`
	Path       string `json:"path"`   // of the logical unit's file; "" for other locks
	Socket     string `json:"socket"` // of the daemon's control, as package control has it
	PID        int    `json:"-"`      // of the user, by the kernel; 0 where it cannot be seen from here
	UID        int    `json:"-"`      // of the user, by the kernel
	User       string `json:"-"`      // name or uid, by the kernel; "" where nobody answers
}

// HeldError says that something is in use, by whom, and what to do. It carries the
// exit code InUse.
type HeldError struct {
	What   string // what is in use, as the caller named it
	By     Use    // another iscsifs; zero where it is the kernel
	Kernel string // the kernel's disk, "/dev/sdb"; "" where it is another iscsifs
	Hint   string // what to do
}

// Error is one sentence: what is in use, by whom, what to do.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is in use already by %s: %s", e.What, e.holder(), e.Hint)
}

// Unwrap gives the error its exit code.
func (e *HeldError) Unwrap() error {
	return &exitcode.Error{Code: exitcode.InUse, Err: errInUse}
}

func (e *HeldError) holder() string {
	if e.Kernel != "" {
		return "the kernel as " + e.Kernel
	}
	var b strings.Builder
	b.WriteString("another iscsifs")
	if e.By.Path != "" {
		fmt.Fprintf(&b, " as %s", e.By.Path)
	} else if e.By.Mountpoint != "" {
		fmt.Fprintf(&b, " for %s", e.By.Mountpoint)
	}
	if e.By.PID != 0 {
		fmt.Fprintf(&b, " (process %d of user %s)", e.By.PID, e.By.User)
	} else if e.By.User != "" {
		fmt.Fprintf(&b, " (a process of user %s)", e.By.User)
	}
	return b.String()
}
