package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// acceptsShrink is the AcceptShrink of the target's sessions: a LUN may become
// smaller where nothing that is not synchronized lies beyond.
func (t *target) acceptsShrink(at scsi.LUN, _, to int64) bool {
	for _, l := range t.attached() {
		if l.opened.Info().LUN == at {
			return l.acceptsSize(to)
		}
	}
	return true
}

func (l *lun) acceptsSize(to int64) bool {
	accepts := l.data().UnsyncedBeyond(to) == 0
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shrunkTo = to; accepts {
		l.shrunkTo = 0
	}
	return accepts
}

// shrunk tells whether a LUN has become smaller than its data allows, and to how
// much; err is that of its disk.
func (l *lun) shrunk(err error) (to int64, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, initiator.ErrShrunk):
		return l.shrunkTo, true
	case l.data().Shrunk():
		return l.disk.Size(), true
	}
	return 0, false
}

// shrunkText says what a LUN that has become smaller waits for.
func (l *lun) shrunkText(to int64, mountpoint string) string {
	return fmt.Sprintf("%s, and %s that is not on the target lies beyond: nothing is written back until it has grown again, or until `iscsifs rescan --accept-shrink %s` gives that up",
		sizeChange(l.size(), to), humanize.IBytes(uint64(l.data().UnsyncedBeyond(to))), plain.Quoted(mountpoint))
}

// acceptShrink takes a smaller capacity over and returns how much was dropped, in
// bytes.
func (l *lun) acceptShrink(ctx context.Context) (dropped int64, err error) {
	if err := l.opened.AcceptCapacity(ctx); err != nil {
		return 0, err
	}
	dropped, err = l.data().AcceptShrink(ctx)
	if dropped > 0 {
		l.target.log.Warn().Int64("bytes", dropped).Msgf("%s has become smaller: what was written beyond its new end and not synchronized is dropped, as --accept-shrink asks", l.where())
	}
	return dropped, err
}
