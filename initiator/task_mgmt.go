package initiator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// errReset is why a command was aborted that had done nothing wrong.
var errReset = errors.New("the logical unit was reset")

// tmRequest is a task management function (RFC 7143, Section 11.5).
type tmRequest struct {
	function pdu.TaskMgmtFunction
	lun      scsi.LUN
	refTag   uint32 // of the task that an ABORT TASK names
	refCmdSN uint32
}

// tmReply is what became of it.
type tmReply struct {
	result pdu.TaskMgmtResult
	cmdSN  uint32 // of the request
	conn   *conn  // that carried it
}

// taskMgmt sends a task management function and waits for its answer until ctx
// ends. A late answer is dropped.
func (s *Session) taskMgmt(ctx context.Context, r tmRequest) (tmReply, error) {
	t := newTask(kindTaskMgmt)
	t.function, t.lun, t.refTag, t.refCmdSN = r.function, r.lun, r.refTag, r.refCmdSN
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if err := s.submit(t); err != nil {
		t.release()
		return tmReply{}, err
	}
	select {
	case <-t.done:
	case <-ctx.Done():
		s.mu.Lock()
		s.endLocked(t, s.errorLocked(r.function.String(), ErrTimeout))
		s.mu.Unlock()
		<-t.done
	}
	defer t.release()
	return tmReply{pdu.TaskMgmtResult(t.result), t.cmdSN, c}, t.err
}

// abort asks the target to forget a task. It returns nil when the target will not
// answer it any more.
func (s *Session) abort(v victim) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.live().AbortTimeout)
	defer cancel()
	r, err := s.taskMgmt(ctx, tmRequest{pdu.AbortTask, v.lun, v.itt, v.cmdSN})
	if err != nil {
		return err
	}
	switch r.result {
	// "Task does not exist" means that its response was sent before, or that it
	// never arrived; both have been seen by now, as responses arrive in order. A
	// LUN that does not exist has no tasks.
	case pdu.FunctionComplete, pdu.TaskDoesNotExist, pdu.LUNDoesNotExist:
		return nil
	}
	return fmt.Errorf("the target answers: %v", r.result)
}

// Reset sends a LOGICAL UNIT RESET and returns when the target has answered it:
// then nothing that was sent before, by whatever session or path, is executed any
// more. This session's own commands are sent again; other sessions' are lost, see
// [Unit.Reset]. The epoch changes.
func (d *Disk) Reset(ctx context.Context) error {
	if err := d.s.resetLUN(ctx, d.lun, pdu.LogicalUnitReset, pdu.TargetWarmReset); err != nil {
		return d.error("reset", causeOf(err))
	}
	return nil
}

// resetLUN makes sure that nothing sent before is executed any more by the
// logical unit, by the first of the functions that the target takes. What the
// target does after a lost connection with commands that it had already received,
// the RFC leaves open; tgt was seen to execute them after it had accepted the new
// login.
func (s *Session) resetLUN(ctx context.Context, lun scsi.LUN, functions ...pdu.TaskMgmtFunction) error {
	release := s.holdForReset(lun)
	defer release()
	var last error
	for _, f := range functions {
		r, err := s.resetWith(ctx, lun, f)
		if err != nil {
			return err
		}
		if r.result == pdu.FunctionComplete {
			return s.wasReset(r, f, lun)
		}
		last = fmt.Errorf("%v is refused: %v", f, r.result)
	}
	return last
}

// resetAgain is after how long a reset without an answer is sent once more, and
// then after twice as long: tgt was seen to forget the answer, for good, where a
// command of the LUN ended in the same moment.
const resetAgain = 2 * time.Second

func (s *Session) resetWith(ctx context.Context, lun scsi.LUN, f pdu.TaskMgmtFunction) (tmReply, error) {
	ctx, cancel := context.WithTimeout(ctx, s.live().ResetTimeout)
	defer cancel()
	for patience := resetAgain; ; patience *= 2 {
		once, end := context.WithTimeout(ctx, patience)
		r, err := s.taskMgmt(once, tmRequest{f, lun, pdu.ReservedTag, 0})
		end()
		if err == nil || ctx.Err() != nil || !errors.Is(err, ErrTimeout) {
			return r, err
		}
	}
}

// holdForReset keeps commands from being sent behind a reset, which would leave
// open whether it has ended them.
func (s *Session) holdForReset(lun scsi.LUN) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.disks[lun]
	if d == nil {
		return func() {}
	}
	d.resets++
	d.holdLocked()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		d.resets--
		d.releaseLocked()
	}
}

// wasReset takes note of an answered reset: the tasks with a lower CmdSN have
// ended without a response (RFC 7143, Section 4.2.3.3).
func (s *Session) wasReset(r tmReply, f pdu.TaskMgmtFunction, lun scsi.LUN) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || s.conn != r.conn {
		return s.errorLocked(f.String(), ErrSessionLost)
	}
	all := f == pdu.TargetWarmReset
	var tasks []*task
	s.slots.all(func(t *task) {
		if t.kind == kindCommand && (all || t.lun == lun) && serialBefore(t.cmdSN, r.cmdSN) {
			tasks = append(tasks, t)
		}
	})
	s.againLocked(tasks, s.errorLocked(f.String(), errReset))
	// ABORT TASK SET "aborts all tasks issued via this session on the LU" (RFC 7143,
	// 11.5.1), and not for certain those of the session that this one replaced.
	reset := f != pdu.AbortTaskSet
	for at, d := range s.disks {
		if !all && at != lun {
			continue
		}
		d.suspectLocked()
		if d.unit != nil && reset {
			d.unit.wasReset(d)
		}
	}
	for at := range s.ghosts {
		if reset && (all || at == lun) {
			delete(s.ghosts, at)
		}
	}
	return nil
}
