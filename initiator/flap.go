package initiator

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// A connection flaps when the target ends it within flapTime of the login. After
// maxFlaps in a row another initiator is the likely reason: a login with the name
// and the ISID of a live session takes its place (RFC 7143, Section 6.3.5).
const (
	flapTime = 5 * time.Second
	maxFlaps = 3
)

// flapPause is the least time to wait before the next login then. It is short, since
// a network that breaks again and again looks the same.
const flapPause = 2 * time.Second

// pauseLocked is how long to wait at least before the next login.
func (s *Session) pauseLocked() time.Duration {
	if s.flaps < maxFlaps {
		return 0
	}
	return flapPause
}

// flappedLocked returns why the connection ended, and counts those that the target
// ended soon.
func (s *Session) flappedLocked(c *conn) error {
	if !endedByTarget(c.err) || time.Since(c.began) > flapTime {
		s.flaps = 0
		return c.err
	}
	s.flaps++
	if s.flaps < maxFlaps {
		return c.err
	}
	taken := fmt.Errorf("%w, %d times in a row, soon after the login: the session may have been taken by another login with the name %s; give each host its own [initiator] name",
		c.err, s.flaps, s.cfg.InitiatorName)
	if s.flaps == maxFlaps {
		s.cfg.Logger.Error().Str("target", s.cfg.TargetName).Str("portal", c.portal).Err(taken).Msg("the session does not last")
	}
	return taken
}

// endedByTarget tells whether the other side ended the connection, without a
// fault of the network or of the protocol.
func endedByTarget(err error) bool {
	return errors.Is(err, errSessionDropped) || errors.Is(err, errConnectionDropped) || errors.Is(err, errClosedByTarget) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
