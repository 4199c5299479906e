package control

import (
	"encoding/json"
	"fmt"
	"time"
)

// Command is what a daemon is asked to do.
type Command string

// The commands and the types of their options and results; none means null.
const (
	Status Command = "status" // none → status.Mount
	Sync   Command = "sync"   // SyncOptions, progress Flush → none
	Umount Command = "umount" // UmountOptions, progress Flush → none; the daemon ends afterwards
	Login  Command = "login"  // SessionOptions → none
	Logout Command = "logout" // SessionOptions, progress Flush → none
	Rescan Command = "rescan" // RescanOptions → Changes
	Reload Command = "reload" // none → Changes
)

// Request is what a client sends.
type Request struct {
	Command Command         `json:"command"`
	Options json.RawMessage `json:"options,omitempty"`
}

// NewRequest makes a request; options is nil or the type that the command takes.
func NewRequest(command Command, options any) (Request, error) {
	r := Request{Command: command}
	if options == nil {
		return r, nil
	}
	raw, err := json.Marshal(options)
	if err != nil {
		return r, fmt.Errorf("cannot send %s to the daemon: %w", command, err)
	}
	r.Options = raw
	return r, nil
}

// Decode reads the options into the type that the command takes; a request without
// options leaves it as it is.
func (r Request) Decode(options any) error {
	if len(r.Options) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Options, options); err != nil {
		return fmt.Errorf("the options of %s: %w", r.Command, err)
	}
	return nil
}

// SyncOptions say what to write back.
type SyncOptions struct {
	IQN string `json:"iqn,omitempty"` // of one target; "" is all
}

// UmountOptions say how to unmount.
type UmountOptions struct {
	Timeout      time.Duration `json:"timeout,omitempty"` // for the flush, in nanoseconds; 0 is the default
	Lazy         bool          `json:"lazy,omitempty"`
	Force        bool          `json:"force,omitempty"`
	DiscardDirty bool          `json:"discard_dirty,omitempty"`
}

// SessionOptions name the sessions to log in or out.
type SessionOptions struct {
	IQN          string `json:"iqn"` // or "all"
	Portal       string `json:"portal,omitempty"`
	Force        bool   `json:"force,omitempty"`         // logout only
	DiscardDirty bool   `json:"discard_dirty,omitempty"` // logout only
	Preempt      uint64 `json:"preempt,omitempty"`       // login only: key to take a reservation from
}

// RescanOptions say what a rescan may take over.
type RescanOptions struct {
	AcceptShrink bool `json:"accept_shrink,omitempty"`
}

// Flush is the progress of writing back, for a bar.
type Flush struct {
	Dirty int64 `json:"dirty"` // bytes still to be written
}

// Changes are what a rescan or reload did, and what it could not, one line each.
type Changes struct {
	Done    []string `json:"done"`
	Refused []string `json:"refused"`
	Code    int      `json:"code,omitempty"` // to exit with: that of the first that was refused
}

// reply is one line of a daemon. All empty, it says that the daemon is alive.
type reply struct {
	Progress json.RawMessage `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Code     int             `json:"code,omitempty"`
}
