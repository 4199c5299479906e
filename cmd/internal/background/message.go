package background

import "encoding/json"

// marker is set in the environment of a child, and only there.
const marker = "_ISCSIFS_BACKGROUND"

// The child's descriptors beyond the standard ones.
const (
	reportFD = 3 // messages to the parent
	wordFD   = 4 // the parent's word
)

// goOn is the parent's word.
const goOn = '+'

// maxMessage bounds a message, in bytes.
const maxMessage = 1 << 20

// message is one line of JSON from the child.
type message struct {
	Out      string          `json:"out,omitempty"`      // for the user, to stdout
	Err      string          `json:"err,omitempty"`      // for the user, to stderr
	Progress json.RawMessage `json:"progress,omitempty"` // for who shows it while the user waits
	Ready    bool            `json:"ready,omitempty"`
	Failure  string          `json:"failure,omitempty"`
	Code     int             `json:"code,omitempty"` // to exit with, for a failure
}
