package initiator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Bounds of the pause between two rounds of logins. The upper one is short, since
// somebody's I/O waits for a target that is back, and an attempt costs it little.
const (
	minBackoff = time.Second
	maxBackoff = 5 * time.Second
)

// lost takes note of the end of a connection, whose goroutines are gone: what
// it carried is queued again or ends.
func (s *Session) lost(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.gate = nil, false
	if s.endingLocked() {
		closed := s.errorLocked("session", ErrClosed)
		s.noteGhostsLocked(c)
		s.pathsLostLocked(closed)
		s.endAllLocked(closed)
		return
	}
	reason := s.flappedLocked(c)
	s.cfg.Logger.Warn().Str("target", s.cfg.TargetName).Str("portal", c.portal).Err(reason).
		Int("commands", s.waitingLocked()+maxSlots-len(s.slots.free)).
		Msg("connection lost, logging in again")
	s.changeLocked(Recovering, reason)
	s.nextAttempt = time.Now().Add(max(c.time2wait, s.pauseLocked()))
	for _, d := range s.disks {
		d.retry.stop()
		if d.state == DiskReady {
			d.changeLocked(DiskUnproven, nil)
		}
	}
	s.requeueLocked(c)
	s.pathsLostLocked(reason)
}

// endingLocked tells whether the session is not to come back.
func (s *Session) endingLocked() bool { return s.state == LoggingOut || s.isClosed() }

// noteGhostsLocked notes the writes that the target may still execute. RFC 7143,
// 11.14: it answers a logout when the tasks of the connection have ended.
func (s *Session) noteGhostsLocked(c *conn) {
	s.slots.all(func(t *task) {
		if (t.write || t.alters) && !c.loggedOut {
			s.ghosts[t.lun] = true
		}
	})
}

// requeueLocked queues again the commands that were sent and not answered.
// Everything else that was under way ends: it belonged to the connection.
func (s *Session) requeueLocked(c *conn) {
	lost := s.errorLocked("session", ErrSessionLost)
	var again []*task
	s.noteGhostsLocked(c)
	s.slots.all(func(t *task) {
		if t.kind == kindCommand {
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
	s.againLocked(again, lost)
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
	limit := s.live().ReplacementTimeout
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
	if s.cfg.path == "" {
		s.cfg.Logger.Error().Str("target", s.cfg.TargetName).Stringer("after", s.live().ReplacementTimeout).AnErr("reason", s.reason).
			Int("commands", s.waitingLocked()).Msg("the session did not come back in time: commands fail until it does")
	}
	for s.pending.head != nil {
		s.endLocked(s.pending.head, s.failing)
	}
	for _, d := range s.disks {
		for d.waiting.head != nil {
			s.endLocked(d.waiting.head, s.failing)
		}
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
	if refused := Refused(err); refused != s.refused {
		s.refused = refused
		if refused {
			s.cfg.Logger.Warn().Str("target", s.cfg.TargetName).Err(err).
				Msg("the target refuses the login, which is tried again: does it still allow this initiator, with this CHAP secret?")
		}
	}
	// Jitter: many initiators lose a target at the same moment.
	s.nextAttempt = time.Now().Add(backoff/2 + rand.N(backoff))
	s.cfg.Logger.Debug().Str("target", s.cfg.TargetName).Err(err).Time("next", s.nextAttempt).Msg("login failed")
}

// reinstate logs in with the identity of the lost session. What does not belong to
// an open disk goes on at once, each disk when it has proven to be the same.
func (s *Session) reinstate(ctx context.Context) (*conn, error) {
	connected, err := s.connectAny(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.attachLocked(connected)
	s.reconnects++
	s.failing, s.refused, s.nextAttempt = nil, false, time.Time{}
	away := time.Since(s.since).Round(time.Millisecond)
	s.changeLocked(LoggedIn, nil)
	for _, d := range s.disks {
		d.proveLocked()
	}
	s.tellLocked(Event{Kind: LUNsChanged}) // what came or went meanwhile is not announced
	s.cfg.Logger.Info().Str("target", s.cfg.TargetName).Str("portal", c.portal).Stringer("after", away).
		Int("commands", s.waitingLocked()).Msg("logged in again")
	c.start()
	return c, nil
}

// haunted tells whether writes of a lost connection may still be executed.
func (s *Session) haunted(lun scsi.LUN) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ghosts[lun]
}

// exorciseDisk ends whatever a lost connection left running at a disk's logical
// unit. With several paths that is the unit's matter, as a reset ends the commands
// of all.
func (s *Session) exorciseDisk(ctx context.Context, d *Disk) error {
	s.mu.Lock()
	u := d.unit
	s.mu.Unlock()
	reset := func(ctx context.Context) error { return s.exorcise(ctx, d.lun) }
	if u == nil {
		return reset(ctx)
	}
	return u.settle(ctx, d, reset)
}

// exorcise ends whatever a lost connection left running at a logical unit.
func (s *Session) exorcise(ctx context.Context, lun scsi.LUN) error {
	if err := s.resetLUN(ctx, lun, pdu.LogicalUnitReset, pdu.TargetWarmReset); err != nil {
		return err
	}
	// Drain the unit attention that the reset leaves behind.
	_, err := s.query(ctx, true, lun, scsi.TestUnitReady(), nil)
	return err
}
