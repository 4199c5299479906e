package main

import (
	"encoding/json"
	"fmt"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
)

// logins takes a daemon.Logins: how many targets a mount has logged in to.
func (b *waitBar) logins(raw json.RawMessage) {
	var l daemon.Logins
	if json.Unmarshal(raw, &l) == nil {
		b.set(l.Done, l.Total, missingText(l.Missing))
	}
}

// missingText names who is waited for, in few words.
func missingText(missing []string) string {
	switch len(missing) {
	case 0:
		return "logged in"
	case 1:
		return "waiting for " + missing[0]
	}
	return fmt.Sprintf("waiting for %s and %d more", missing[0], len(missing)-1)
}
