package daemon

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// leavePoll is how often a daemon that is to end looks whether the last holder has
// gone.
const leavePoll = 500 * time.Millisecond

// flushPause is the pause after a flush that failed. A variable for the tests.
var flushPause = 10 * time.Second

// Serve keeps the mount in service until it is gone, by whomever; then it
// flushes, logs out and returns the error of the flush, with the exit code Dirty.
func (d *Daemon) Serve(ctx context.Context) error {
	go func() { // ends with the mount
		d.server.Wait()
		d.end.setGone()
	}()
	select {
	case <-d.end.gone:
	case <-d.end.asked:
		d.leave(ctx)
	}
	return d.finish(ctx)
}

// Terminate asks for the end, as SIGTERM does: at once if nobody holds a LUN,
// else when the last holder has gone. Asked again it only logs the state; asked
// when the mount is gone it ends the tries to write what is left.
func (d *Daemon) Terminate(ctx context.Context) {
	if d.lifecycle.now() == Finishing {
		d.end.dismiss()
	}
	select {
	case <-d.end.asked:
		event := d.log.Info().Stringer("state", d.lifecycle.now())
		if err := d.inUse(ctx, 0); err != nil {
			event = event.Err(err)
		}
		event.Msg("asked to end again")
	default:
		d.end.ask()
	}
}

// leave returns when the mount is gone.
func (d *Daemon) leave(ctx context.Context) {
	said := ""
	for {
		pause := leavePoll
		if err := d.tryLeave(ctx, said == ""); err != nil {
			if err.Error() != said {
				said = err.Error()
				d.log.Warn().Err(err).Msg("asked to end; serves on until then")
			}
			if exitcode.Of(err) == int(exitcode.Dirty) {
				pause = flushPause
			}
		}
		select {
		case <-d.end.gone:
			return
		case <-time.After(pause):
		}
	}
}

// tryLeave unmounts if nothing is in the way. It looks for holders only when no LUN
// is open any more, or somebody is to be told of them.
func (d *Daemon) tryLeave(ctx context.Context, tell bool) error {
	d.lifecycle.change(Serving, Leaving)
	switch {
	case d.lifecycle.now() != Leaving: // a command is at it
	case d.end.isDetached(): // the kernel's last reference decides
	case !tell && len(d.files.OpenFiles()) > 0:
	default:
		return d.stop(ctx, UnmountOptions{})
	}
	return nil
}

// finish is the end of every mount: what is left is flushed, then the sessions
// are logged out, and only then may another daemon have the LUNs.
func (d *Daemon) finish(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	d.lifecycle.finish()
	d.quit()
	d.endChanges() // nothing begins any more
	d.background.Wait()
	d.flushErr = d.flushRest(ctx)
	d.logoutAll(ctx)
	for _, l := range d.unended() {
		l.release()
	}
	d.closeMemory()
	if err := d.server.Forget(); err != nil { // before another can mount there
		d.log.Warn().Err(err).Msg("a note of the mount stays behind")
	}
	d.locks.release()
	d.lifecycle.change(Finishing, Stopped)
	close(d.finished)
	return d.flushErr
}

// flushRest flushes what is left when the mount is gone, unless it was given up. A
// target that is away for a moment costs nothing: it tries again until all is
// written, or a signal that comes meanwhile asks for the end.
func (d *Daemon) flushRest(ctx context.Context) error {
	if d.end.discarding.Load() {
		return nil
	}
	said := ""
	for {
		err := d.flushWithin(ctx, 0)
		if err == nil {
			return nil
		}
		if err.Error() != said {
			said = err.Error()
			d.log.Error().Err(err).Int("pid", os.Getpid()).Msg("unmounted, but not all is written: tries again until it is; SIGTERM gives it up")
		}
		select {
		case <-d.end.dismissed:
			d.log.Error().Err(err).Msg("data is lost: a signal asked for the end")
			return err
		case <-time.After(flushPause):
		}
	}
}

// logoutAll ends all sessions at once.
func (d *Daemon) logoutAll(ctx context.Context) {
	var group sync.WaitGroup
	for _, t := range d.all() {
		group.Go(func() { t.end(ctx) })
	}
	group.Wait()
}
