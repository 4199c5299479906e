package initiator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// settlePause is how long a reset that failed on every path is put off.
const settlePause = time.Second

// Reset sends a LOGICAL UNIT RESET through the first path that takes it, and
// returns when the target has answered: then nothing that was sent before, by
// whatever path or session, is executed any more. The commands of all paths are
// sent again; those of other sessions are lost. The epoch changes. Without a path
// that is logged in Reset fails at once with ErrSessionLost.
func (u *Unit) Reset(ctx context.Context) error {
	if err := u.lockSettling(ctx); err != nil {
		return err
	}
	defer u.unlockSettling()
	err := error(u.noReset())
	for _, d := range u.resettable() {
		if err = u.resetThrough(ctx, d, d.Reset); err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// noReset is why the unit cannot be reset where no path is up.
func (u *Unit) noReset() *Error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.isClosed() {
		return u.error("reset", ErrClosed)
	}
	if reason := u.reasonLocked(); reason != nil {
		return u.error("reset", fmt.Errorf("%w: no path is left: %w", ErrSessionLost, reason))
	}
	return u.error("reset", fmt.Errorf("%w: no path is left", ErrSessionLost))
}

// resettable returns the paths that are up, the usable ones first.
func (u *Unit) resettable() (disks []*Disk) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, usable := range []bool{true, false} {
		for _, p := range u.paths {
			if p.state == pathUp && p.usable() == usable && !u.isClosed() {
				disks = append(disks, p.disk)
			}
		}
	}
	return disks
}

// startResetLocked has the writes ended that lost paths left behind.
func (u *Unit) startResetLocked() {
	if !u.resetting {
		u.resetting = true
		u.goLocked(u.resetAll)
	}
}

// resetAll tries the paths that are up until one has ended the writes, or none is
// left: then the first session that comes back does it, see Session.exorcise.
func (u *Unit) resetAll() {
	for {
		d := u.resetPath()
		if d == nil {
			return
		}
		ctx, cancel := context.WithTimeout(u.ctx, d.s.live().CommandTimeout)
		err := u.settle(ctx, d, d.Reset)
		cancel()
		if err == nil {
			continue
		}
		u.log.Warn().Str("path", d.s.cfg.path).Err(err).Msg("cannot end the unanswered writes of a lost path yet: writes wait")
		select {
		case <-time.After(settlePause):
		case <-u.ctx.Done():
		}
	}
}

// resetPath returns the next path to reset through; nil, and resetAll's end, if
// nothing is to be done or can be.
func (u *Unit) resetPath() *Disk {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.hauntedSince.IsZero() && !u.isClosed() {
		for i := range u.paths {
			at := (u.next + i) % len(u.paths)
			if p := u.paths[at]; p.state == pathUp {
				u.next = at + 1
				return p.disk
			}
		}
	}
	u.resetting = false
	return nil
}

// settle ends whatever lost paths left running: a target may go on executing a
// lost session's writes, and later ones to their blocks must not be overtaken by
// them. LOGICAL UNIT RESET through any path ends the commands of all I_T nexuses
// (SAM-5, Section 6.3.3), without an answer where TAS is 0 (SPC-4, Section
// 7.5.8), so that those in flight on the other paths are sent again.
//
// reset does it through via, and cares for the commands of via itself.
func (u *Unit) settle(ctx context.Context, via *Disk, reset func(context.Context) error) error {
	if err := u.lockSettling(ctx); err != nil {
		return err
	}
	defer u.unlockSettling()
	if !u.haunted() {
		return nil
	}
	return u.resetThrough(ctx, via, reset)
}

func (u *Unit) lockSettling(ctx context.Context) error {
	select {
	case u.settling <- struct{}{}:
		return nil
	case <-ctx.Done():
		return u.error("reset", context.Cause(ctx))
	}
}

func (u *Unit) unlockSettling() { <-u.settling }

// haunted tells whether writes of lost paths may still be executed.
func (u *Unit) haunted() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.ContainsFunc(u.paths, func(p *path) bool { return p.ghost })
}

// resetThrough resets the logical unit through one path, and sees to what that has
// ended on all. The caller holds Unit.settling.
func (u *Unit) resetThrough(ctx context.Context, via *Disk, reset func(context.Context) error) error {
	ghosts := u.beginReset(via)
	err := reset(ctx)
	if err == nil {
		u.reissueOthers(via)
	}
	u.endReset(ghosts, err)
	return err
}

// beginReset returns the paths with writes that may still be executed.
func (u *Unit) beginReset(via *Disk) (ghosts []*path) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.via = via
	for _, p := range u.paths {
		if p.ghost {
			ghosts = append(ghosts, p)
		}
	}
	return ghosts
}

// endReset takes note that the writes of these paths are ended, or could not be.
func (u *Unit) endReset(ghosts []*path, err error) {
	if err == nil {
		for _, p := range ghosts {
			p.disk.s.forgetGhosts(p.disk.lun)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		for _, p := range ghosts {
			p.ghost = false
		}
		u.pruneLocked()
		u.epoch++ // a reset may have cost the target its cache
	}
	if err == nil && ghosts != nil {
		u.log.Info().Str("path", u.via.s.cfg.path).Msg("the unanswered writes of lost paths are ended: writes go on")
	}
	u.via = nil
	u.reviewLocked()
}

// forgetGhosts takes note that nothing of lost connections is executed any more.
func (s *Session) forgetGhosts(lun scsi.LUN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ghosts, lun)
}

// wasReset takes note that the logical unit was reset through a path, be it that
// a command was overdue there. Called with Session.mu held.
func (u *Unit) wasReset(via *Disk) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.via != via {
		u.goLocked(func() { u.reissueOthers(via) })
	}
}

// reissueOthers sees to it that the commands are sent again that a reset through
// via has ended on the other paths.
func (u *Unit) reissueOthers(via *Disk) {
	var all sync.WaitGroup
	for _, d := range u.others(via) {
		all.Go(func() { d.reissue(u.ctx) })
	}
	all.Wait()
}

func (u *Unit) others(via *Disk) (disks []*Disk) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.paths {
		if p.disk != via && p.state == pathUp {
			disks = append(disks, p.disk)
		}
	}
	return disks
}
