package initiator

import (
	"fmt"
	"slices"
	"time"
)

// againLocked takes commands that the target will not answer any more, because
// they were aborted or their connection ended, and queues them once more: before
// those of the same disk that were not sent yet, in the order of their CmdSN. Those
// that must not be, or not any more, end: for why.
func (s *Session) againLocked(tasks []*task, why error) {
	slices.SortFunc(tasks, func(a, b *task) int { return int(int32(a.cmdSN - b.cmdSN)) })
	for _, t := range slices.Backward(tasks) {
		if err := s.lastWordLocked(t, why); err != nil {
			s.endLocked(t, err)
			continue
		}
		s.slots.remove(t)
		t.remove()
		t.restart()
		t.state = taskPending
		s.queueOfLocked(t).pushFront(t)
	}
}

// lastWordLocked returns why a command is not sent again, or nil.
func (s *Session) lastWordLocked(t *task, why error) error {
	switch {
	case t.cause != nil:
		return t.cause
	case t.once:
		return unknownOutcome(why)
	case t.internal:
		return why // who asked decides
	case t.disk != nil && !t.disk.state.usable():
		return t.disk.reason
	case t.disk != nil && t.disk.lostHold() != nil && t.guarded():
		return t.disk.lostHold()
	case !t.overdue && s.conn != nil:
		return nil // it was the others' fault
	}
	if t.vainSince.IsZero() {
		t.vainSince = time.Now()
	}
	// A command that is never answered, or takes every connection down with it,
	// must not go on for ever.
	limit := s.live().ReplacementTimeout
	if s.conn != nil {
		limit = s.live().patience()
	}
	if limit >= 0 && time.Since(t.vainSince) >= limit {
		return why
	}
	return nil
}

// unknownOutcome says of a command that must not be sent twice what nobody knows.
func unknownOutcome(why error) error { return fmt.Errorf("%w: %w", ErrOutcomeUnknown, causeOf(why)) }
