package initiator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// errReissue is why a connection ends on which commands could not be ended.
var errReissue = errors.New("the logical unit was reset through another path, and the commands on this one could not be ended")

// reissue sends the commands of the disk again that a reset through another path
// has ended, without a word to this one. Which those are only the target knows:
// some were answered before, others reach it now. So what is unanswered is aborted
// first, by ABORT TASK SET or, where the target does not know that, one by one; it
// is sent again when the target says that it will not execute it any more. Where
// it does not, the connection is dropped: then the session resets the unit.
func (d *Disk) reissue(ctx context.Context) {
	s := d.s
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	err := s.resetLUN(ctx, d.lun, pdu.AbortTaskSet)
	if err != nil {
		err = s.abortEach(ctx, d.lun)
	}
	if err != nil && c != nil {
		c.fail(fmt.Errorf("%w: %w", errReissue, err))
	}
}

// abortEach aborts the commands that are under way to a logical unit.
func (s *Session) abortEach(ctx context.Context, lun scsi.LUN) error {
	release := s.holdForReset(lun)
	defer release()
	for victims := range slices.Chunk(s.underWay(lun), maxAborts) {
		if s.abortAll(victims, 0) > 0 {
			return errors.New("ABORT TASK failed")
		}
	}
	return ctx.Err()
}

func (s *Session) underWay(lun scsi.LUN) (all []victim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots.all(func(t *task) {
		if t.kind == kindCommand && t.lun == lun {
			all = append(all, victim{lun: t.lun, itt: t.itt, cmdSN: t.cmdSN})
		}
	})
	return all
}
