package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/initiator"
)

// Flush writes back and synchronizes every LUN, or those of one target where
// iqn is not empty, all at once so that one that hangs does not delay another.
// Its error names each LUN that could not be, and has the exit code Dirty.
func (d *Daemon) Flush(ctx context.Context, iqn string) error {
	var luns []*lun
	for _, l := range d.unended() {
		if l.of(iqn) {
			luns = append(luns, l)
		}
	}
	return d.flushAll(ctx, luns)
}

// flushAll is Flush for these LUNs.
func (d *Daemon) flushAll(ctx context.Context, luns []*lun) error {
	failures := make([]error, len(luns))
	var group sync.WaitGroup
	for i, l := range luns {
		if l.volume != nil {
			group.Go(func() { failures[i] = d.flushOne(ctx, l) })
		}
	}
	group.Wait()
	return exitcode.With(exitcode.Dirty, errors.Join(failures...))
}

// of tells whether the LUN belongs to the target; the empty name is every one's.
func (l *lun) of(iqn string) bool { return iqn == "" || strings.EqualFold(l.target.cfg().IQN, iqn) }

func (d *Daemon) flushOne(ctx context.Context, l *lun) error {
	err := l.volume.Sync(ctx)
	if err == nil {
		return nil
	}
	if absent, is := l.opened.inner().(*absentDisk); is {
		err = absent.why
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	unit := fmt.Sprintf("LUN %d of %s", l.number, l.target.cfg().IQN)
	why := withoutPlace(err)
	if s := l.opened.Status(); errors.Is(err, cache.ErrLate) && s.State != initiator.DiskReady {
		why = fmt.Sprintf("the target is still away (the LUN is %s): what is dirty is held back, until `iscsifs sync` when `iscsifs status` shows it ready", s.State)
	}
	if to, shrunk := l.shrunk(err); shrunk {
		why = "it " + l.shrunkText(to, d.opts.Mountpoint)
	}
	if dirty := l.dirty(); dirty > 0 {
		return fmt.Errorf("%s of %s could not be written: %s", humanize.IBytes(uint64(dirty)), unit, why)
	}
	return fmt.Errorf("%s could not be synchronized: %s", unit, why)
}

// withoutPlace is the text of an error without the LUN, target and portal, which the
// sentence around it has.
func withoutPlace(err error) string {
	text := err.Error()
	for e := (*initiator.Error)(nil); errors.As(err, &e); err = e.Err {
		for _, place := range []string{" LUN " + e.LUN, " of " + e.Target, " at " + e.Portal} {
			if !strings.HasSuffix(place, " ") {
				text = strings.ReplaceAll(text, place, "")
			}
		}
	}
	return text
}

// refusal is the error of a command whose flush failed.
func (d *Daemon) refusal(dirty error) error {
	return exitcode.Errorf(exitcode.Dirty, "unmount %s: it stays mounted and usable, and `iscsifs umount --discard-dirty %s` would give the data up: %s",
		d.opts.Mountpoint, plain.Quoted(d.opts.Mountpoint), strings.ReplaceAll(dirty.Error(), "\n", "; "))
}

// dirty is how many bytes of the LUN are not yet for certain on its target.
func (l *lun) dirty() int64 {
	s := l.volume.Stats()
	return s.DirtyBytes + s.HeldBytes
}

// Dirty is how many bytes are not yet for certain on their targets.
func (d *Daemon) Dirty() int64 {
	var sum int64
	for _, l := range d.unended() {
		if l.volume != nil {
			sum += l.dirty()
		}
	}
	return sum
}
