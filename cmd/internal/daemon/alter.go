package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/config"
)

// alter gives a target other settings. Without a session all take effect; with one
// those that can, and the others wait for the next login. What differs is noted.
// The caller has the right to change the list of targets.
func (d *Daemon) alter(ctx context.Context, t *target, want config.Target, origin *config.Discovery, c *changes) {
	want.ReadOnly = want.ReadOnly || d.opts.ReadOnly
	if err := t.takeTurn(ctx); err != nil {
		c.refuse(err)
		return
	}
	defer t.giveTurn()
	t.setOrigin(origin)
	was := *t.cfg()
	now := want
	if t.now() == up {
		now = d.liveSettings(t, &was, &want)
	}
	changed := was.Differences(&now)
	waits := now.Differences(&want)
	t.placePortals(want.Portals)
	t.settle(&now, &want, waits)
	if err := d.lockPaths(ctx, t); err != nil {
		c.refuse(err)
	}
	if len(changed) > 0 {
		c.did(t.log, "%s: changed: %s", want.IQN, strings.Join(changed, ", "))
	}
	if len(waits) > 0 {
		c.refuse(exitcode.Errorf(exitcode.Failed, "%s: %s: cannot be changed while it is logged in: `iscsifs logout %s %s` and `iscsifs login` take it over",
			want.IQN, strings.Join(waits, ", "), plain.Quoted(d.opts.Mountpoint), want.IQN))
	}
	d.act(ctx, t, changed, c)
}

// setOrigin notes where the target comes from; nil is the file.
func (t *target) setOrigin(f *config.Discovery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.origin = f
}

// settle puts settings into effect, and keeps for the next login what it wants besides.
func (t *target) settle(now, want *config.Target, waits []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.Store(now)
	t.next = nil
	if len(waits) > 0 {
		t.next = want
	}
}

// liveSettings are the settings in effect with those of the wanted ones that a session
// does not keep from changing.
func (d *Daemon) liveSettings(t *target, was, want *config.Target) config.Target {
	now := *was
	now.Required, now.Login, now.LUNs, now.CHAP, now.Line = want.Required, want.Login, want.LUNs, want.CHAP, want.Line
	now.Cache = want.Cache
	now.Cache.Mode = was.Cache.Mode
	s := t.sessionNow()
	if _, several := s.(pathSession); several {
		now.Portals = want.Portals
	}
	if _, can := s.(adjustable); can {
		takeTimeouts(&now.Session, &want.Session)
	}
	return now
}

// takeTimeouts takes over what adjustable sessions adjust.
func takeTimeouts(now, want *config.Session) {
	now.LoginTimeout, now.NoopInterval, now.NoopTimeout = want.LoginTimeout, want.NoopInterval, want.NoopTimeout
	now.CommandTimeout, now.FlushTimeout, now.ReplacementTimeout = want.CommandTimeout, want.FlushTimeout, want.ReplacementTimeout
}

// act does what follows from settings that have changed. The caller has the target's
// turn.
func (d *Daemon) act(ctx context.Context, t *target, changed []string, c *changes) {
	has := func(key string) bool {
		return slices.ContainsFunc(changed, func(k string) bool { return k == key || strings.HasPrefix(k, key+".") })
	}
	state := t.now()
	switch {
	case has("login") && state == waiting && t.cfg().Login == config.LoginManual:
		t.giveUpTrying()
		t.change(out, errManual)
	case has("login") && state == out && t.cfg().Login == config.LoginAuto && !t.isByHand():
		d.bringBack(ctx, t, c)
	}
	if state != up {
		for _, portal := range t.leftPlaces(t.portals()) {
			t.unplace(portal)
		}
		return
	}
	if has("cache") {
		for _, l := range t.attached() {
			d.tune(l)
		}
	}
	if s, can := t.sessionNow().(adjustable); can && (has("session") || has("chap")) {
		s.Adjust(sessionConfig(t.opts, t.cfg()))
	}
	if has("portals") {
		d.alterPaths(ctx, t, c)
	}
	if has("luns") {
		d.removeUnlisted(ctx, t, c)
		s := d.scan(ctx, t, noOptions, true)
		c.add(s.Changes)
		if !s.failed {
			t.refuseAbsent(c)
		}
	}
}

// refuseAbsent names the LUNs that the configuration lists and that are no files.
func (t *target) refuseAbsent(c *changes) {
	attached := t.attached()
	for _, listed := range t.cfg().LUNs {
		if !slices.ContainsFunc(attached, func(l *lun) bool { return l.number == uint64(listed) }) {
			c.refuse(exitcode.Errorf(exitcode.Failed, "LUN %d of %s: `luns` in the configuration lists it, but the target has no such disk", listed, t.cfg().IQN))
		}
	}
}

func (t *target) isByHand() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byHand
}

// bringBack logs in to a target that was out only because of its configuration.
func (d *Daemon) bringBack(ctx context.Context, t *target, c *changes) {
	t.change(waiting, nil)
	conn, err := t.connect(ctx)
	if err == nil {
		err = d.attach(ctx, t, conn)
	}
	if err != nil {
		t.change(waiting, err)
		c.refuse(fmt.Errorf("%s: cannot be logged in to yet: %w", t.cfg().IQN, err))
		d.try(t)
		return
	}
	c.newTarget(t)
}

// alterPaths gives the session of a target the paths that its configuration has now.
func (d *Daemon) alterPaths(ctx context.Context, t *target, c *changes) {
	s := t.sessionNow().(pathSession)
	for _, portal := range t.missingPaths() { // those that come first, so that one is left
		if err := s.Add(ctx, t.pathsBy(portal, t.cfg())); err != nil {
			c.refuse(fmt.Errorf("%s: the path by %s is not there yet: %w", t.cfg().IQN, portal, Classify(err)))
		}
	}
	wanted := t.portals()
	for _, portal := range t.leftPlaces(wanted) {
		within, cancel := context.WithTimeout(ctx, t.cfg().Session.CommandTimeout)
		if err := s.Remove(within, portal); err != nil {
			t.log.Warn().Err(err).Str("portal", portal).Msg("path logged out without the target's answer")
		}
		cancel()
		t.unplace(portal)
	}
}

// leftPlaces are the portals that have places and are not wanted.
func (t *target) leftPlaces(wanted []string) (list []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for portal := range t.places {
		if !slices.Contains(wanted, portal) {
			list = append(list, portal)
		}
	}
	return list
}

// unplace forgets a portal that is no longer used.
func (t *target) unplace(portal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.places, portal)
	delete(t.outPaths, portal)
}

// removeUnlisted takes the LUNs away that the configuration does not list any more, as a
// logout does.
func (d *Daemon) removeUnlisted(ctx context.Context, t *target, c *changes) {
	for _, l := range t.attached() {
		if t.wants(l.number) {
			continue
		}
		if err := d.removeIdle(ctx, l); err != nil {
			c.refuse(fmt.Errorf("%s: not listed any more, but it stays: %w", l.path(), err))
			continue
		}
		c.did(t.log, "%s: removed", l.path())
	}
}

// wants tells whether the configuration wants a LUN.
func (t *target) wants(number uint64) bool {
	luns := t.cfg().LUNs
	return luns == nil || slices.ContainsFunc(luns, func(listed uint16) bool { return uint64(listed) == number })
}

// removeIdle takes a LUN away that is not in use and has all of its data on the target.
func (d *Daemon) removeIdle(ctx context.Context, l *lun) error {
	if err := d.lunInUse(ctx, l); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, d.flushTimeOf(l.target))
	defer cancel()
	if err := d.flushAll(within, []*lun{l}); err != nil {
		return err
	}
	if err := d.remove(ctx, l, d.files.RemoveIdleLUN); err != nil {
		return err
	}
	return nil
}

// dismissForGood takes a target out of the mount, as a logout does; in use, or with data
// that is not on the target, it stays. The caller has the right to change the list.
func (d *Daemon) dismissForGood(ctx context.Context, t *target, why string, c *changes) {
	t.giveUpTrying()
	if err := t.takeTurn(ctx); err != nil {
		c.refuse(err)
		return
	}
	defer t.giveTurn()
	err := d.logoutTarget(ctx, t, LogoutOptions{})
	if err == nil && t.hasKept() {
		err = exitcode.With(exitcode.Dirty, errors.New("data of it that is not on the target is kept in memory"))
	}
	if err != nil {
		c.refuse(fmt.Errorf("%s: %s, but it stays: %w", t.cfg().IQN, why, err))
		return
	}
	c.did(t.log, "%s: %s: gone", t.cfg().IQN, why)
	d.forget(ctx, t)
}

func (t *target) hasKept() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.kept) > 0
}
