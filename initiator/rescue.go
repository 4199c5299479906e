package initiator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Bounds of a rescue.
const (
	maxAborts       = 4 // at a time
	maxFailedAborts = 2 // in a row, before the logical unit is reset
	// maxGivenUp bounds the questions of one connection that the target was given
	// up on without its word: each may hold a place in its queue.
	maxGivenUp = 16
)

// victim is a command of which nobody will wait for the answer any longer. It has
// no pointer to the task, which may end, and be used again, at any time.
type victim struct {
	lun        scsi.LUN
	itt, cmdSN uint32
	internal   bool
	doubtful   bool // and nothing worse
}

// rescueLocked sees to it that the commands of a logical unit end that are overdue
// or whose callers gave up. One goroutine of the session's does it for each LUN:
//
//	ABORT TASK ──answered──► sent again, or ended where the caller gave up
//	    │ two unanswered or refused
//	    ▼
//	LOGICAL UNIT RESET ──answered──► all of the LUN's commands sent again
//	    │ unanswered or refused
//	    ▼
//	the connection is dropped, and the session recovers
//
// Other LUNs notice nothing up to the last rung. A command that is merely doubtful
// stays under way when its abort fails: two initiators would else go on to answer
// one another's resets with resets.
func (s *Session) rescueLocked(lun scsi.LUN) {
	if s.rescues[lun] || s.isClosed() {
		return
	}
	s.rescues[lun] = true
	s.wg.Go(func() { s.rescue(lun) })
}

func (s *Session) rescue(lun scsi.LUN) {
	var on *conn
	failed := 0
	for {
		victims, c := s.victims(lun)
		if len(victims) == 0 {
			return
		}
		if c != on {
			on, failed = c, 0
		}
		if failed < maxFailedAborts {
			failed = s.abortAll(victims, failed)
			continue
		}
		s.cfg.Logger.WithLevel(levelOf(victims)).Str("target", s.cfg.TargetName).Stringer("lun", lun).
			Msg("commands cannot be aborted: the logical unit is reset")
		if err := s.resetLUN(context.Background(), lun, pdu.LogicalUnitReset); err != nil {
			s.lastRung(c, lun, err)
		}
		failed = 0
	}
}

// victims returns the commands to be aborted next. When there are none the rescue
// is over.
func (s *Session) victims(lun scsi.LUN) (all []victim, c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && s.conn.err == nil && !s.isClosed() {
		s.slots.all(func(t *task) {
			if t.doomed(lun) && len(all) < maxAborts {
				all = append(all, victim{t.lun, t.itt, t.cmdSN, t.internal, !t.overdue && t.cause == nil})
			}
		})
	}
	if len(all) == 0 {
		delete(s.rescues, lun)
	}
	return all, s.conn
}

// levelOf keeps quiet about the session's own questions, which are repeated.
func levelOf(victims []victim) zerolog.Level {
	if slices.ContainsFunc(victims, func(v victim) bool { return !v.internal }) {
		return zerolog.WarnLevel
	}
	return zerolog.DebugLevel
}

// doomed tells whether the command is to be aborted.
func (t *task) doomed(lun scsi.LUN) bool {
	return t.kind == kindCommand && t.lun == lun && (t.overdue || t.doubtful || t.cause != nil)
}

// abortAll aborts the victims, and returns how many aborts in a row have now
// failed.
func (s *Session) abortAll(victims []victim, failed int) int {
	errs := make([]error, len(victims))
	var wg sync.WaitGroup
	for i, v := range victims {
		wg.Go(func() { errs[i] = s.abort(v) })
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var aborted []*task
	before := failed
	for i, v := range victims {
		t := s.slots.find(v.itt)
		switch {
		case errs[i] != nil && !v.doubtful:
			failed++
		case t == nil:
		case errs[i] != nil:
			t.doubtful = false
		default:
			aborted = append(aborted, t)
		}
	}
	s.cfg.Logger.Debug().Str("target", s.cfg.TargetName).Stringer("lun", victims[0].lun).
		Int("commands", len(victims)).Errs("errors", errs).Msg("ABORT TASK")
	if len(aborted) > 0 {
		s.againLocked(aborted, s.overdueLocked(aborted[0]))
		s.conn.wake()
	}
	if failed == before {
		return 0
	}
	return failed
}

// overdueLocked words the end of a command that went through this again and again.
func (s *Session) overdueLocked(t *task) *Error {
	return s.errorLocked(t.cdb.String(), fmt.Errorf("%w: no progress for %v, again and again", ErrTimeout, t.timeout))
}

// lastRung ends the connection, on which the target has stopped to serve the
// logical unit. Questions alone are not worth that: they change nothing, and their
// late answers are dropped.
func (s *Session) lastRung(c *conn, lun scsi.LUN, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c != s.conn {
		return
	}
	var questions []*task
	harmless := true
	s.slots.all(func(t *task) {
		if t.doomed(lun) {
			questions = append(questions, t)
			harmless = harmless && t.question()
		}
	})
	if harmless && c.given+len(questions) <= maxGivenUp {
		c.given += len(questions)
		for _, t := range questions {
			s.endLocked(t, s.overdueLocked(t))
		}
		return
	}
	s.stats.timeouts.Add(1)
	c.failLocked(fmt.Errorf("%w: LUN %v serves its commands no more, and a reset failed: %w", ErrTimeout, lun, causeOf(why)))
}

// question tells whether the command changes nothing: it is no access to a disk,
// and sends no data.
func (t *task) question() bool { return t.disk == nil && !t.write && !t.once }

// overdueCommands has the commands aborted that make no progress.
func (w *watchdog) overdueCommands(now time.Time) {
	s := w.c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != w.c || s.endingLocked() {
		return
	}
	s.slots.all(func(t *task) {
		if t.kind != kindCommand || t.timeout <= 0 || t.overdue || t.cause != nil || !w.stuck(t, now) {
			return
		}
		t.overdue = true
		s.stats.timeouts.Add(1)
		if !s.rescues[t.lun] && !t.internal && t.vainSince.IsZero() {
			s.cfg.Logger.Warn().Str("target", s.cfg.TargetName).Stringer("lun", t.lun).Stringer("command", t.cdb).
				Msgf("no progress for %v: commands are aborted and sent again", t.timeout)
		}
		s.rescueLocked(t.lun)
	})
}
