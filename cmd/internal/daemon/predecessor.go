package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator"
)

// endPredecessor makes sure that no write is executed any more that was sent before
// the LUN was attached. A daemon that was killed can leave some with the target,
// which executes them when it likes, also after the next login: they would undo what
// the next mount has written and synchronized.
//
// Nobody remembers whether there are any, least of all after the host has failed. So
// each LUN that is to be written is reset, while nothing of this mount is under way
// to it. Other hosts that use it see a unit attention, and repeat their commands.
//
// A target that refuses every reset is used all the same, else it could never be. One
// that does not answer is not: it may still be at such a write.
func (d *Daemon) endPredecessor(ctx context.Context, l *lun) error {
	err := l.opened.Reset(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, initiator.ErrTimeout), errors.Is(err, initiator.ErrSessionLost), errors.Is(err, initiator.ErrClosed), ctx.Err() != nil:
		return fmt.Errorf("end what an earlier mount may have left under way to %s: %w", l.where(), Classify(err))
	}
	l.target.log.Warn().Err(err).Msgf("%s cannot be reset: if a daemon was killed while it wrote there, its last writes may still come and overwrite newer data", l.where())
	return nil
}
