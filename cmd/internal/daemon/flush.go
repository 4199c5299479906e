package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// Flush writes back and synchronizes every LUN, or those of one target where
// iqn is not empty, all at once so that one that hangs does not delay another.
// Its error names each LUN that could not be, and has the exit code Dirty.
func (d *Daemon) Flush(ctx context.Context, iqn string) error {
	luns := d.attached()
	failures := make([]error, len(luns))
	var group sync.WaitGroup
	for i, l := range luns {
		if l.volume == nil || !l.of(iqn) {
			continue
		}
		group.Go(func() { failures[i] = flushOne(ctx, l) })
	}
	group.Wait()
	return exitcode.With(exitcode.Dirty, errors.Join(failures...))
}

// of tells whether the LUN belongs to the target; the empty name is every one's.
func (l *lun) of(iqn string) bool { return iqn == "" || strings.EqualFold(l.target.cfg.IQN, iqn) }

func flushOne(ctx context.Context, l *lun) error {
	err := l.volume.Sync(ctx)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if dirty := l.dirty(); dirty > 0 {
		return fmt.Errorf("%s of %s could not be written: %w", humanize.IBytes(uint64(dirty)), l.where(), err)
	}
	return fmt.Errorf("%s could not be synchronized: %w", l.where(), err)
}

// dirty is how many bytes of the LUN are not yet for certain on its target.
func (l *lun) dirty() int64 {
	s := l.volume.Stats()
	return s.DirtyBytes + s.HeldBytes
}

// Dirty is how many bytes are not yet for certain on their targets.
func (d *Daemon) Dirty() int64 {
	var sum int64
	for _, l := range d.attached() {
		if l.volume != nil {
			sum += l.dirty()
		}
	}
	return sum
}
