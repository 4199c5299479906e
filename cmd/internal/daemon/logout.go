package daemon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// LogoutOptions say what to log out from, and how hard to try.
type LogoutOptions struct {
	IQN     string // of one target, or "all"
	Portal  string // of one path; "" = all
	Force   bool   // also what is in use: it gets errors
	Discard bool   // give up what cannot be written
	Asker   int    // process id of the command that asks, which is no holder worth naming; 0 = none
}

// How long a forced logout waits for a target. One that does not answer at first is not
// waited for again.
const (
	forceFlushTime  = 10 * time.Second // to write what is dirty
	forceAnswerTime = 2 * time.Second  // whether it answers; and then for the end of reservations and session
)

// Logout closes sessions and takes the files away; the targets stay out until Login.
// What is dirty is written first. While a file is in use it changes nothing, and its
// error, with the exit code InUse, names each holder; if data cannot be written the
// error has the exit code Dirty.
//
// With Force holders get EIO at once, and what cannot be written is kept until the
// target is logged in to again; with Discard it is given up.
func (d *Daemon) Logout(ctx context.Context, o LogoutOptions) error {
	c, err := d.choose("logout", o.IQN, o.Portal)
	if err != nil {
		return err
	}
	return d.work(ctx, func(ctx context.Context) error {
		return c.each(ctx, func(ctx context.Context, t *target) error { return d.logout(ctx, t, c.portal, o) })
	})
}

func (d *Daemon) logout(ctx context.Context, t *target, portal string, o LogoutOptions) error {
	t.giveUpTrying()
	if err := t.takeTurn(ctx); err != nil {
		return err
	}
	defer t.giveTurn()
	if portal != "" && t.others(portal) {
		return d.logoutPath(ctx, t, portal, o.Force)
	}
	if err := d.logoutTarget(ctx, t, o); err != nil {
		return err
	}
	t.dismiss(fmt.Errorf("logged out by hand: `iscsifs login %s %s` logs in again", plain.Quoted(d.opts.Mountpoint), t.cfg().IQN))
	t.log.Info().Msg("logged out, as was asked")
	return nil
}

// others tells whether the target has paths in that are not by this portal.
func (t *target) others(portal string) bool {
	return t.now() != out && slices.ContainsFunc(t.portals(), func(other string) bool { return other != portal && !t.isOut(other) })
}

// dismiss leaves the target out until somebody asks for it.
func (t *target) dismiss(why error) {
	t.change(out, nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byHand, t.reason = true, why
}

// logoutPath closes the sessions by one portal of a target that has others.
func (d *Daemon) logoutPath(ctx context.Context, t *target, portal string, force bool) error {
	t.takeOutPath(portal)
	if t.now() == waiting {
		d.try(t) // by the others
	}
	s, ok := t.sessionNow().(pathSession)
	if !ok {
		return nil
	}
	patience := t.cfg().Session.CommandTimeout // for what is under way, which then goes on elsewhere
	if force {
		patience = 0
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.Remove(ctx, portal); err != nil {
		t.log.Warn().Err(err).Str("portal", portal).Msg("path logged out without the target's answer")
	}
	t.log.Info().Str("portal", portal).Msg("path logged out, as was asked")
	return nil
}

func (t *target) takeOutPath(portal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outPaths[portal] = true
}

// logoutTarget closes all sessions of a target, or changes nothing. The caller has its
// turn.
func (d *Daemon) logoutTarget(ctx context.Context, t *target, o LogoutOptions) error {
	if t.now() == up {
		t.change(leaving, nil)
		patience := noEnd
		var err error
		if o.Force {
			patience = d.withdrawByForce(ctx, t)
		} else {
			err = d.withdrawTarget(ctx, t, o)
		}
		if err != nil {
			t.change(up, nil)
			return err
		}
		d.closeTarget(ctx, t, o, patience)
	}
	if o.Discard {
		d.discardKept(t)
	}
	return nil
}

// noEnd is the patience of a logout that is not forced.
const noEnd = time.Duration(math.MaxInt64)

// withdrawByForce takes the files of a target away from their users, and writes what it
// can. It returns how long the target is worth waiting for after that.
func (d *Daemon) withdrawByForce(ctx context.Context, t *target) (patience time.Duration) {
	for _, l := range t.attached() {
		d.hide(l)
	}
	if !answers(ctx, t.sessionNow()) {
		return 0
	}
	_ = d.flushTarget(ctx, t, forceFlushTime) // what is left is kept, or given up
	return forceAnswerTime
}

// withdrawTarget takes the files of a target away and sees to what is dirty.
func (d *Daemon) withdrawTarget(ctx context.Context, t *target, o LogoutOptions) error {
	done, err := d.change() // whoever adds a LUN just now is waited for
	if err != nil {
		return err
	}
	done()
	if err := d.targetInUse(ctx, t, o.Asker); err != nil {
		return err
	}
	if err := d.flushOrDiscard(ctx, t, o); err != nil {
		return err
	}
	if err := d.withdrawIdle(ctx, t, o.Asker); err != nil {
		return err
	}
	err = d.flushOrDiscard(ctx, t, o) // of what was written meanwhile
	if err != nil {
		d.presentAll(t.attached())
	}
	return err
}

// answers tells whether a target does. A session notices only after a while that it does
// not, and users of the LUNs are waiting. What asks it ends with the session at the latest.
func answers(ctx context.Context, s session) bool {
	if s.Status().State != initiator.LoggedIn {
		return false
	}
	answer := make(chan error, 1)
	go func() {
		_, err := s.LUNs(ctx) // its end would not end it: the command has to be aborted then
		answer <- err
	}()
	select {
	case err := <-answer:
		return err == nil
	case <-time.After(forceAnswerTime):
		return false
	}
}

// flushOrDiscard writes all of a target; an error says that something is left that is
// not to be given up.
func (d *Daemon) flushOrDiscard(ctx context.Context, t *target, o LogoutOptions) error {
	dirty := d.flushTarget(ctx, t, d.flushTimeOf(t))
	if dirty == nil || o.Discard {
		return nil
	}
	return exitcode.Errorf(exitcode.Dirty, "logout %s: it stays logged in, and `iscsifs logout --discard-dirty %s %s` would give the data up: %s",
		t.cfg().IQN, plain.Quoted(d.opts.Mountpoint), t.cfg().IQN, strings.ReplaceAll(dirty.Error(), "\n", "; "))
}

func (d *Daemon) flushTarget(ctx context.Context, t *target, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the target took longer than %s", limit))
	defer cancel()
	return d.flushAll(ctx, t.attached())
}

// flushTimeOf is how long the flush of a target may take.
func (d *Daemon) flushTimeOf(t *target) time.Duration {
	return min(max(t.cfg().Session.ReplacementTimeout, config.Timeout(time.Second)).Duration(), maxFlush)
}

// withdrawIdle takes the files of a target out of the tree, all or none: an error
// names who has opened one. The kernel lets go of a file a moment after close(2).
func (d *Daemon) withdrawIdle(ctx context.Context, t *target, asker int) error {
	var gone []*lun
	deadline := time.Now().Add(settleTime)
	for _, l := range t.attached() {
		if err := d.withdrawOne(ctx, l, asker, deadline); err != nil {
			d.presentAll(gone)
			return err
		}
		gone = append(gone, l)
	}
	return nil
}

func (d *Daemon) withdrawOne(ctx context.Context, l *lun, asker int, deadline time.Time) error {
	if l.first != nil {
		return nil
	}
	for {
		err := d.files.RemoveIdleLUN(l.target.cfg().Directory, l.name)
		if !errors.Is(err, syscall.EBUSY) {
			d.logUnlessGone(err)
			return nil
		}
		if held := d.targetInUse(ctx, l.target, asker); held != nil {
			return held
		}
		if time.Now().After(deadline) {
			return d.targetBusyUnseen(l.target)
		}
		select {
		case <-time.After(settlePoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// presentAll gives LUNs their files back.
func (d *Daemon) presentAll(luns []*lun) {
	for _, l := range luns {
		if l.first != nil {
			continue
		}
		if err := d.presentFile(l); err != nil {
			d.log.Error().Err(err).Msg("the file of a LUN that is in service cannot be given back")
		}
	}
}

// closeTarget logs out of a target whose files are gone, and ends or keeps its LUNs.
func (d *Daemon) closeTarget(ctx context.Context, t *target, o LogoutOptions, patience time.Duration) {
	ctx = context.WithoutCancel(ctx)
	why := fmt.Errorf("its target was logged out by hand; `iscsifs login %s %s` brings it back", plain.Quoted(d.opts.Mountpoint), t.cfg().IQN)
	t.part(ctx, o, patience)
	d.attaching.Lock() // also when the mount ends: what is kept must be found then
	defer d.attaching.Unlock()
	luns := t.attached()
	for _, l := range slices.Backward(sortedByFirst(luns)) {
		if l.unsynced() && !o.Discard {
			d.keep(l, why)
			continue
		}
		d.removeLocked(ctx, l)
	}
	for _, l := range luns {
		d.promoteOthers(ctx, l)
	}
}

// part gives up the reservations, but for those of data that is kept, and the session.
// When patience is at its end the session is closed, which ends what waits for its target.
func (t *target) part(ctx context.Context, o LogoutOptions, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := t.takeSession()
	released := make(chan struct{})
	go func() {
		defer close(released)
		t.unreserveAll(ctx, s, func(l *lun) bool { return o.Discard || !l.unsynced() })
	}()
	select {
	case <-released:
	case <-ctx.Done():
	}
	logoutWithin(ctx, s, t.log)
	<-released
}

// sortedByFirst puts further paths behind what they lead to.
func sortedByFirst(luns []*lun) []*lun {
	return slices.SortedStableFunc(slices.Values(luns), func(a, b *lun) int {
		switch {
		case a.first == nil && b.first != nil:
			return -1
		case a.first != nil && b.first == nil:
			return 1
		}
		return 0
	})
}
