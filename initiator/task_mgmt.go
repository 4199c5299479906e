package initiator

import (
	"context"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// taskMgmt sends a task management function and waits for its answer (RFC
// 7143, Section 11.5). refTag and refCmdSN name the task of an ABORT TASK. A
// function that is unanswered when ctx ends stays under way: the caller must end
// the connection.
func (s *Session) taskMgmt(ctx context.Context, f pdu.TaskMgmtFunction, lun scsi.LUN, refTag, refCmdSN uint32) (pdu.TaskMgmtResult, error) {
	t := newTask(kindTaskMgmt)
	t.function, t.lun, t.refTag, t.refCmdSN = f, lun, refTag, refCmdSN
	if err := s.submit(t); err != nil {
		t.release()
		return 0, err
	}
	select {
	case <-t.done:
	case <-ctx.Done():
		s.mu.Lock()
		s.endLocked(t, s.errorLocked(f.String(), ErrTimeout))
		s.mu.Unlock()
		<-t.done
	}
	defer t.release()
	return pdu.TaskMgmtResult(t.result), t.err
}

// resetLUN makes sure that nothing sent before is executed any more by the
// logical unit. What the target does after a lost connection with commands that
// it had already received, the RFC leaves open; tgt was seen to execute them
// after it had accepted the new login.
func (s *Session) resetLUN(ctx context.Context, lun scsi.LUN) error {
	var last error
	for _, f := range []pdu.TaskMgmtFunction{pdu.LogicalUnitReset, pdu.TargetWarmReset} {
		result, err := s.taskMgmt(ctx, f, lun, pdu.ReservedTag, 0)
		if err != nil {
			return err
		}
		if result == pdu.FunctionComplete {
			return nil
		}
		last = fmt.Errorf("%v is refused: %v", f, result)
	}
	return last
}
