package initiator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Bounds of the pause between two rounds of logins.
const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

// lost takes note of the end of a connection, whose goroutines are gone: what
// it carried is queued again or ends.
func (s *Session) lost(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.gate = nil, false
	if s.endingLocked() {
		s.endAllLocked(s.errorLocked("session", ErrClosed))
		return
	}
	if s.state == LoggedIn {
		s.cfg.Logger.Warn().Str("target", s.cfg.TargetName).Str("portal", c.portal).Err(c.err).
			Int("commands", s.pending.len+maxSlots-len(s.slots.free)).
			Msg("connection lost, logging in again")
	}
	s.changeLocked(Recovering, c.err)
	s.nextAttempt = time.Now().Add(c.time2wait)
	s.requeueLocked(c)
}

// endingLocked tells whether the session is not to come back.
func (s *Session) endingLocked() bool { return s.state == LoggingOut || s.isClosed() }

// requeueLocked puts commands that were sent and not answered before those that
// were not sent, in the order of their CmdSN. Everything else that was under way
// ends: it belonged to the connection.
func (s *Session) requeueLocked(c *conn) {
	lost := s.errorLocked("session", ErrSessionLost)
	var again []*task
	s.slots.all(func(t *task) {
		// RFC 7143, 11.14: the target answers a logout when the tasks of the
		// connection have ended.
		if t.write && !c.loggedOut {
			s.ghosts[t.lun] = true
		}
		if s.replaysLocked(t) {
			again = append(again, t)
		} else {
			s.endLocked(t, lost)
		}
	})
	for _, l := range []*taskList{&s.urgent, &s.ownCmds} {
		for l.head != nil {
			s.endLocked(l.head, lost)
		}
	}
	slices.SortFunc(again, func(a, b *task) int { return int(int32(a.cmdSN - b.cmdSN)) })
	waiting := s.pending
	s.pending = taskList{}
	for _, t := range again {
		s.slots.remove(t)
		t.remove()
		t.restart()
		t.state = taskPending
		s.pending.pushBack(t)
	}
	for t := waiting.head; t != nil; t = waiting.head {
		waiting.head = t.next
		s.pending.pushBack(t)
	}
}

// replaysLocked tells whether a command that was sent and not answered is sent
// again.
func (s *Session) replaysLocked(t *task) bool {
	if t.kind != kindCommand || t.internal || t.abandoned {
		return false
	}
	if t.lostAt.IsZero() {
		t.lostAt = time.Now()
	}
	// A command that takes every connection down with it must not go on for
	// ever.
	limit := s.cfg.ReplacementTimeout
	return limit < 0 || time.Since(t.lostAt) < limit
}

// recover logs in again until it succeeds, and returns the new connection, or
// nil when the session was closed. It runs in the session's own goroutine.
func (s *Session) recover() *conn {
	ctx, cancel := s.context()
	defer cancel()
	expired := s.expireLater()
	defer expired.Stop()
	for backoff := minBackoff; !s.ending(); backoff = min(2*backoff, maxBackoff) {
		if !s.pause() {
			return nil
		}
		c, err := s.reinstate(ctx)
		if err == nil {
			return c
		}
		s.attemptFailed(err, backoff)
	}
	return nil
}

func (s *Session) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endingLocked()
}

// context returns a context that ends with the session.
func (s *Session) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan struct{})
	go func() {
		select {
		case <-s.closed:
			cancel()
		case <-stop:
		}
	}()
	return ctx, func() { close(stop); cancel() }
}

// expireLater makes waiting commands fail when the session has not come back
// within the replacement timeout.
func (s *Session) expireLater() *time.Timer {
	limit := s.cfg.ReplacementTimeout
	if limit < 0 {
		return time.AfterFunc(1<<62, func() {})
	}
	return time.AfterFunc(limit, s.expire)
}

func (s *Session) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != Recovering || s.failing != nil {
		return
	}
	s.failing = s.errorLocked("session", fmt.Errorf("%w: %w", ErrSessionLost, s.reason))
	s.cfg.Logger.Error().Str("target", s.cfg.TargetName).Dur("after", s.cfg.ReplacementTimeout).AnErr("reason", s.reason).
		Int("commands", s.pending.len).Msg("the session did not come back in time: commands fail until it does")
	for s.pending.head != nil {
		s.endLocked(s.pending.head, s.failing)
	}
}

// pause waits until the next attempt is due. It is false when the session was
// closed meanwhile.
func (s *Session) pause() bool {
	s.mu.Lock()
	due := time.NewTimer(time.Until(s.nextAttempt))
	s.mu.Unlock()
	defer due.Stop()
	select {
	case <-due.C:
		return true
	case <-s.closed:
		return false
	}
}

// attemptFailed plans the next attempt.
func (s *Session) attemptFailed(err error, backoff time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = err
	// Jitter: many initiators lose a target at the same moment.
	s.nextAttempt = time.Now().Add(backoff/2 + rand.N(backoff))
	s.cfg.Logger.Debug().Str("target", s.cfg.TargetName).Err(err).Time("next", s.nextAttempt).Msg("login failed")
}

// reinstate logs in with the identity of the lost session, proves that the
// logical units are the same, and lets the commands go on.
func (s *Session) reinstate(ctx context.Context) (*conn, error) {
	connected, err := s.connectAny(ctx)
	if err != nil {
		return nil, err
	}
	s.attach(connected)
	c := s.conn
	c.start()
	ctx, cancel := c.bind(ctx)
	defer cancel()
	if err := s.verify(ctx); err != nil {
		c.fail(err)
		c.wait()
		s.mu.Lock()
		s.conn = nil
		s.requeueLocked(c)
		s.mu.Unlock()
		return nil, err
	}
	s.mu.Lock()
	s.reconnects++
	s.gate, s.failing, s.nextAttempt = true, nil, time.Time{}
	s.changeLocked(LoggedIn, nil)
	s.cfg.Logger.Info().Str("target", s.cfg.TargetName).Str("portal", c.portal).Int("commands", s.pending.len).Msg("logged in again")
	s.mu.Unlock()
	c.send()
	return c, nil
}

// patience is how long a logical unit that is absent or not ready after a new
// login holds up the others of its target: it may be starting up.
const patience = 10 * time.Second

// verify checks every open disk and silences the writes of lost connections. A
// disk that turns out to be another, or does not come back, takes its commands
// with it; any other fault is one of the whole attempt.
func (s *Session) verify(ctx context.Context) error {
	for lun, d := range s.openDisks() {
		err := d.verify(ctx)
		if err == nil && s.haunted(lun) {
			err = s.exorcise(ctx, lun)
		}
		if ended := s.connectionError(); ended != nil {
			return ended
		}
		if err != nil && !errors.Is(err, ErrIdentity) && s.downFor() < patience {
			return err
		}
		d.verified(err)
	}
	return ctx.Err()
}

// downFor tells for how long the session has been recovering.
func (s *Session) downFor() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.since)
}

func (s *Session) openDisks() map[scsi.LUN]*Disk {
	s.mu.Lock()
	defer s.mu.Unlock()
	disks := make(map[scsi.LUN]*Disk, len(s.disks))
	for lun, d := range s.disks {
		disks[lun] = d
	}
	return disks
}

func (s *Session) haunted(lun scsi.LUN) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ghosts[lun]
}

// exorcise ends whatever a lost connection left running at a logical unit.
func (s *Session) exorcise(ctx context.Context, lun scsi.LUN) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CommandTimeout)
	defer cancel()
	if err := s.resetLUN(ctx, lun); err != nil {
		return err
	}
	// Drain the unit attention that the reset leaves behind.
	if _, err := s.query(ctx, true, lun, scsi.TestUnitReady(), nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ghosts, lun)
	return nil
}

// connectionError tells why the connection ended, or nil while it lives.
func (s *Session) connectionError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return ErrSessionLost
	}
	return s.conn.err
}
