package daemon

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
)

// UnmountOptions say how hard to try to unmount.
type UnmountOptions struct {
	Timeout time.Duration // for the flush; 0 is the longest replacement_timeout, at most maxFlush
	Lazy    bool          // if in use: detach the name, and end with the last holder
	Force   bool          // if in use: flush, then cut the holders off
	Discard bool          // give up what cannot be written
	Asker   int           // process id of the command that asks, which is no holder worth naming; 0 = none
}

// maxFlush bounds the default of UnmountOptions.Timeout.
const maxFlush = 10 * time.Minute

// Unmount flushes, unmounts, and waits until everything is logged out; with
// Lazy, of a mount in use, only until its name is detached. While a LUN is in use
// it changes nothing and its error, with the exit code InUse, names each holder;
// if data cannot be written the error has the exit code Dirty and the files stay
// in service.
func (d *Daemon) Unmount(ctx context.Context, opts UnmountOptions) error {
	if err := d.stop(ctx, opts); err != nil || d.end.isDetached() {
		return err
	}
	<-d.finished
	if opts.Discard {
		return nil
	}
	return d.flushErr
}

// ending is what has been done about the end.
type ending struct {
	asked     chan struct{} // closed by the first signal that asks for it
	askedOnce sync.Once

	discarding atomic.Bool // what is dirty is to be lost

	gone     chan struct{} // closed when the mount is gone, or its holders were cut off
	goneOnce sync.Once

	dismissed     chan struct{} // closed by a signal that comes after the mount has gone
	dismissedOnce sync.Once

	mu       sync.Mutex
	detached bool // the name is gone, holders remain
}

func newEnding() ending {
	return ending{asked: make(chan struct{}), gone: make(chan struct{}), dismissed: make(chan struct{})}
}

func (e *ending) ask()     { e.askedOnce.Do(func() { close(e.asked) }) }
func (e *ending) dismiss() { e.dismissedOnce.Do(func() { close(e.dismissed) }) }
func (e *ending) setGone() { e.goneOnce.Do(func() { close(e.gone) }) }

func (e *ending) isDetached() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.detached
}

func (e *ending) setDetached() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.detached = true
}

// stop is Unmount without the wait for the end. It is the only way through the
// state Stopping; of two at a time the second is refused.
func (d *Daemon) stop(ctx context.Context, opts UnmountOptions) error {
	inUse := d.inUse(ctx, opts.Asker)
	switch {
	case d.end.isDetached() && !opts.Force:
		return exitcode.Errorf(exitcode.InUse, "unmount %s: its name is detached already; the daemon ends with the last holder", d.opts.Mountpoint)
	case inUse != nil && !opts.Lazy && !opts.Force:
		return inUse
	}
	from := d.lifecycle.now()
	if !d.lifecycle.change(from, Stopping) {
		return exitcode.Errorf(exitcode.InUse, "unmount %s: the daemon is %s already", d.opts.Mountpoint, d.lifecycle.now())
	}
	err := d.unmount(ctx, opts, inUse != nil)
	switch {
	case d.end.isDetached():
		d.lifecycle.change(Stopping, Leaving)
	case err != nil:
		d.lifecycle.change(Stopping, from)
	}
	return err
}

func (d *Daemon) unmount(ctx context.Context, opts UnmountOptions, inUse bool) error {
	if inUse && opts.Lazy {
		return d.detachName(ctx)
	}
	dirty := d.flushWithin(ctx, opts.Timeout)
	if dirty != nil && !opts.Discard {
		return d.refusal(dirty)
	}
	d.end.discarding.Store(dirty != nil)
	err := d.takeAway(ctx, opts.Asker, inUse)
	switch {
	case err != nil:
		d.end.discarding.Store(false)
	case dirty != nil:
		d.log.Error().Err(dirty).Msg("given up, as --discard-dirty asks")
	}
	return err
}

// takeAway ends the mount, and who holds it.
func (d *Daemon) takeAway(ctx context.Context, asker int, inUse bool) error {
	if inUse {
		return d.cutOff(ctx)
	}
	return d.unmountFree(ctx, asker)
}

// flushWithin flushes in a time, 0 = flushTime.
func (d *Daemon) flushWithin(ctx context.Context, limit time.Duration) error {
	if limit == 0 {
		limit = d.flushTime()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the target took longer than %s", limit))
	defer cancel()
	return d.Flush(ctx, "")
}

// flushTime is how long a flush may take by default.
func (d *Daemon) flushTime() time.Duration {
	longest := config.Timeout(time.Second)
	for _, t := range d.all() {
		longest = max(longest, t.cfg().Session.ReplacementTimeout)
	}
	return min(longest.Duration(), maxFlush)
}

// detachName takes the mount out of the file system tree; who has a file open
// keeps it.
func (d *Daemon) detachName(ctx context.Context) error {
	err := d.server.Detach(ctx)
	if err == nil {
		d.end.setDetached()
	}
	return err
}

// cutOff takes the LUNs away from who holds them. The kernel lets go of the mount
// with the end of the process only, so nobody waits for that here.
func (d *Daemon) cutOff(ctx context.Context) error {
	d.files.CutAll()
	if !d.end.isDetached() {
		if err := d.server.Detach(ctx); err != nil {
			return err
		}
	}
	d.end.setGone()
	return nil
}
