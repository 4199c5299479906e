package initiator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// newCommand makes the task of a SCSI command.
func newCommand(lun scsi.LUN, cdb scsi.CDB, timeout time.Duration) *task {
	t := newTask(kindCommand)
	t.lun, t.cdb, t.timeout = lun, cdb, timeout
	return t
}

// query runs a command that returns at most len(buf) bytes of data, and
// returns those that came.
func (s *Session) query(ctx context.Context, internal bool, lun scsi.LUN, cdb scsi.CDB, buf []byte) ([]byte, error) {
	t := newCommand(lun, cdb, s.live().CommandTimeout)
	t.internal, t.read = internal, len(buf) > 0
	t.data = newVector([][]byte{buf})
	defer t.release()
	if err := s.submit(t); err != nil {
		return nil, err
	}
	if err := s.finish(ctx, t); err != nil {
		return nil, err
	}
	return buf[:t.received], nil
}

// finish waits for a submitted command and sends it again as long as its
// answer asks for that. The task is ended when it returns.
func (s *Session) finish(ctx context.Context, t *task) error {
	r := retries{s: s, began: time.Now()}
	for {
		if err := s.wait(ctx, t); err != nil {
			return s.commandError(t, err)
		}
		verdict := t.verdict()
		if t.disk != nil {
			t.disk.noteSpace(t.cdb, verdict)
		}
		if verdict == scsi.Success {
			return s.checkLength(t)
		}
		s.noteAttention(t, verdict)
		if s.cfg.path != "" && t.accessRefused() {
			return s.commandError(t, nil) // there may be another path
		}
		if t.once && !t.untouched(verdict) {
			return s.commandError(t, unknownOutcome(s.commandError(t, nil)))
		}
		if verdict == scsi.NoLogicalUnit && t.disk != nil {
			verdict = s.removed(t)
		}
		if verdict == scsi.ReservedByOther && t.disk != nil && !t.once {
			return s.commandError(t, t.disk.conflicted())
		}
		if !r.allowed(ctx, verdict) {
			return s.commandError(t, nil)
		}
		t.restart()
		if err := s.submit(t); err != nil {
			return s.commandError(t, err)
		}
	}
}

// verdict says what is to be done about a command that was answered.
func (t *task) verdict() scsi.Disposition {
	// RFC 7143, 11.4.3: with any other response the SCSI status is not valid,
	// and nobody knows whether the command was executed.
	if t.response != pdu.CommandCompleted {
		return scsi.RetryDelayed
	}
	return scsi.Classify(t.status, t.sense)
}

// accessRefused tells whether the asymmetric access state of the path kept the
// command from being executed.
func (t *task) accessRefused() bool {
	_, refused := t.sense.AccessRefused()
	return refused && t.response == pdu.CommandCompleted && t.status == scsi.CheckCondition
}

// untouched tells of a command that must not be sent twice whether its answer is
// final, or says that it was not executed.
func (t *task) untouched(verdict scsi.Disposition) bool {
	if verdict != scsi.RetryDelayed {
		return true
	}
	busy := t.status == scsi.Busy || t.status == scsi.TaskSetFull || t.status == scsi.ACAActive
	notReady := t.status == scsi.CheckCondition && t.sense.Key == scsi.NotReady
	return t.response == pdu.CommandCompleted && (busy || notReady)
}

// removed takes note that a LUN that was there is no more. Its command waits with
// the others for it to come back.
func (s *Session) removed(t *task) scsi.Disposition {
	err := s.commandError(t, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.disk.removedLocked(err)
	return scsi.RetryDelayed
}

// Bounds of retries.
const (
	maxAtOnce    = 16 // unit attentions in a row
	minBusyPause = 5 * time.Millisecond
	maxBusyPause = time.Second
)

// retries decides how often and how soon one command is sent again.
type retries struct {
	s      *Session
	began  time.Time
	atOnce int
	pause  time.Duration
}

// allowed waits as long as is wise and tells whether to send the command again.
func (r *retries) allowed(ctx context.Context, verdict scsi.Disposition) bool {
	switch verdict {
	case scsi.Retry, scsi.DeferredError:
		r.atOnce++
		return r.atOnce <= maxAtOnce
	case scsi.RetryDelayed:
		return r.patient() && r.sleep(ctx)
	}
	return false
}

// patient tells whether there is time left: a target that is busy or starting
// up is waited for as long as a lost one.
func (r *retries) patient() bool {
	limit := r.s.live().patience()
	return limit < 0 || time.Since(r.began) < max(limit, r.s.live().CommandTimeout)
}

func (r *retries) sleep(ctx context.Context) bool {
	r.pause = min(max(2*r.pause, minBusyPause), maxBusyPause)
	// Jitter: commands that were turned away together do not come back together.
	timer := time.NewTimer(r.pause/2 + rand.N(r.pause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-r.s.closed:
	}
	return false
}

// checkLength makes sure that an exact command moved all of its data: a short
// read must never pass for data, nor a short write for durable.
func (s *Session) checkLength(t *task) error {
	switch {
	case !t.exact:
		return nil
	case t.residual.Overflow || t.residual.Underflow && t.residual.Count > 0:
		return s.commandError(t, fmt.Errorf("%w: the target reports a residual of %d bytes", ErrShort, t.residual.Count))
	case t.read && t.received != t.data.len:
		return s.commandError(t, fmt.Errorf("%w: %d of %d bytes arrived", ErrShort, t.received, t.data.len))
	case t.write && t.sent < t.data.len:
		return s.commandError(t, fmt.Errorf("%w: the target took only %d of %d bytes", ErrShort, t.sent, t.data.len))
	}
	return nil
}

// commandError words the end of a command: by cause, or, without one, by what
// the target answered.
func (s *Session) commandError(t *task, cause error) *Error {
	cause = causeOf(cause)
	s.mu.Lock()
	err := s.errorLocked(t.cdb.String(), cause)
	s.mu.Unlock()
	err.LUN = t.lun.String()
	if cause == nil && t.response != pdu.CommandCompleted {
		err.Err = fmt.Errorf("%w: the target answers %v", ErrProtocol, t.response)
	} else if cause == nil {
		err.Err, err.Status, err.Sense = ErrSCSI, t.status, t.sense
	}
	return err
}

// noteAttention tells the disk what a unit attention announces.
func (s *Session) noteAttention(t *task, verdict scsi.Disposition) {
	if t.status != scsi.CheckCondition {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if verdict == scsi.DeferredError {
		s.lostWritesLocked(t.lun, t.sense)
	}
	s.attentionLocked(t.lun, t.sense)
}
