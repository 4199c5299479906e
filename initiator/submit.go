package initiator

import (
	"context"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

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
		s.pending.pushBack(t)
	}
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
	cause := s.errorLocked("wait", context.Cause(ctx))
	if t.state != taskSent {
		s.endLocked(t, cause)
		s.mu.Unlock()
		return
	}
	t.abandoned = true
	tag, cmdSN, c := t.itt, t.cmdSN, s.conn
	if t.internal || t.kind != kindCommand {
		// Only the end of the connection ends these for certain.
		c.failLocked(cause)
		s.endLocked(t, cause)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()

	if err := s.abort(t, tag, cmdSN); err != nil {
		// Without the abort's answer nobody knows when the target stops using
		// the task's memory; the end of the connection says so.
		c.fail(fmt.Errorf("ABORT TASK failed: %w", err))
		return
	}
	s.mu.Lock()
	s.endLocked(t, cause)
	s.mu.Unlock()
}

// abort asks the target to forget a task (RFC 7143, Section 11.5.1). It returns
// nil when the task has ended or the target will not answer it any more.
func (s *Session) abort(t *task, tag, cmdSN uint32) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.NoopTimeout)
	defer cancel()
	result, err := s.taskMgmt(ctx, pdu.AbortTask, t.lun, tag, cmdSN)
	if err != nil {
		return err
	}
	// "Task does not exist" means that its response was sent before, or that it
	// never arrived; both have been seen by now, as responses arrive in order.
	if result != pdu.FunctionComplete && result != pdu.TaskDoesNotExist {
		return fmt.Errorf("the target answers: %v", result)
	}
	return nil
}

// endAllLocked ends every task.
func (s *Session) endAllLocked(err error) {
	for _, l := range []*taskList{&s.urgent, &s.ownCmds, &s.pending, &s.dataOut} {
		for l.head != nil {
			s.endLocked(l.head, err)
		}
	}
	s.slots.all(func(t *task) { s.endLocked(t, err) })
}
