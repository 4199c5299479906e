// Package shell runs commands on the other side of a byte stream: in the virtual
// machine that a test has booted. The stream carries one JSON object a line; many
// commands may run at a time.
package shell

import "time"

// Command is what to run.
type Command struct {
	Args  []string      `json:"args"`
	Stdin []byte        `json:"stdin,omitempty"`
	Limit time.Duration `json:"limit,omitempty"` // then it is killed with all that it started; 0: never
}

// Result is how a command ended.
type Result struct {
	Code   int    `json:"code"` // exit code; -1 when a signal ended it, or it could not be started
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// request and answer belong together by their ID.
type request struct {
	ID int `json:"id"`
	Command
}

type answer struct {
	ID int `json:"id"`
	Result
}
