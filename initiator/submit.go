package initiator

import "context"

// submit queues a task and sends it as soon as it may be sent.
func (s *Session) submit(t *task) error {
	if err := s.queue(t); err != nil {
		return err
	}
	s.send()
	return nil
}

// queue accepts a task, to be sent with the next call of send. Every queued
// task ends, and its submitter waits for that before it touches the task's
// memory.
func (s *Session) queue(t *task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusalLocked(t); err != nil {
		return err
	}
	t.state = taskPending
	s.queueLocked(t)
	return nil
}

// send sends what may be sent.
func (s *Session) send() {
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		c.send()
	}
}

func (s *Session) queueLocked(t *task) {
	switch {
	case t.kind.immediate():
		s.urgent.pushBack(t)
	case t.internal:
		s.ownCmds.pushBack(t)
	default:
		s.queueOfLocked(t).pushBack(t)
	}
}

// queueOfLocked returns the queue in which a caller's command waits.
func (s *Session) queueOfLocked(t *task) *taskList {
	if t.disk != nil && t.disk.heldLocked() {
		return &t.disk.waiting
	}
	return &s.pending
}

// refusalLocked says why a task cannot even be queued.
func (s *Session) refusalLocked(t *task) error {
	switch {
	case s.state == Closed || s.isClosed():
		return s.errorLocked("session", ErrClosed)
	case s.state == LoggingOut && t.kind != kindLogout && !t.internal:
		return s.errorLocked("session", ErrClosed)
	// Immediate requests and the session's own belong to one connection.
	case s.conn == nil && (t.internal || t.kind.immediate()):
		return s.errorLocked("session", ErrSessionLost)
	case s.failing != nil && !t.internal && !t.kind.immediate():
		return s.failing
	}
	if t.disk == nil {
		return nil
	}
	// The access may have begun before the LUN became another disk.
	if gone := t.disk.gone.Load(); gone != nil {
		return gone
	}
	if lost := t.disk.lostHold(); lost != nil && t.guarded() {
		return lost
	}
	return nil
}

// nextLocked returns the command to be sent next, or nil when none may be.
func (s *Session) nextLocked() *task {
	if !s.window.open() || !s.slots.available(false) {
		return nil
	}
	if s.ownCmds.head != nil {
		return s.ownCmds.head
	}
	if s.gate {
		return s.pending.head
	}
	return nil
}

// endLocked ends a task. Its submitter hears of it as soon as neither reader
// nor writer holds the task's memory.
func (s *Session) endLocked(t *task, err error) {
	if t.state == taskEnded {
		return
	}
	s.slots.remove(t)
	t.remove()
	t.state, t.err = taskEnded, err
	if t.pins == 0 {
		t.done <- struct{}{}
	}
}

// wait returns when a submitted task has ended. When ctx ends first the task is
// given up: taken back if it was not sent, aborted at the target if it was.
func (s *Session) wait(ctx context.Context, t *task) error {
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
	}
	s.abandon(ctx, t)
	<-t.done
	return t.err
}

// abandon makes a task end soon.
func (s *Session) abandon(ctx context.Context, t *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUpLocked(t, s.errorLocked("wait", context.Cause(ctx)))
}

// giveUpLocked makes a task end with cause: at once if it was not sent, else as
// soon as the target does not use its memory any more.
func (s *Session) giveUpLocked(t *task, cause error) {
	switch {
	case t.state != taskSent:
		s.endLocked(t, cause)
	case t.kind == kindCommand:
		t.cause = cause
		s.rescueLocked(t.lun)
	default:
		// Only the end of the connection ends these for certain.
		s.conn.failLocked(cause)
		s.endLocked(t, cause)
	}
}

// endAllLocked ends every task.
func (s *Session) endAllLocked(err error) {
	for _, l := range []*taskList{&s.urgent, &s.ownCmds, &s.pending, &s.dataOut} {
		for l.head != nil {
			s.endLocked(l.head, err)
		}
	}
	for _, d := range s.disks {
		for d.waiting.head != nil {
			s.endLocked(d.waiting.head, err)
		}
	}
	s.slots.all(func(t *task) { s.endLocked(t, err) })
}
