package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/initiator"
)

// LoginOptions say what to log in to.
type LoginOptions struct {
	IQN     string // of one target, or "all"
	Portal  string // of one path; "" = all
	Preempt uint64 // key to take a reservation from; 0 = none
}

// errManual is why a target is not logged in to by itself.
var errManual = errors.New(`login = "manual" in the configuration: only iscsifs login logs in to it`)

// Login opens sessions that are not there, and returns when the files are. Where a
// persistent reservation was lost it is taken anew, and what is dirty is written. It
// does nothing to a target that has all it needs.
func (d *Daemon) Login(ctx context.Context, o LoginOptions) error {
	c, err := d.choose("login", o.IQN, o.Portal)
	if err != nil {
		return err
	}
	if o.Preempt != 0 && !slices.ContainsFunc(c.targets, (*target).exclusive) {
		return exitcode.Errorf(exitcode.Usage, "login %s: --preempt: the configuration has no exclusive = true for what is to be written there", o.IQN)
	}
	return d.work(ctx, func(ctx context.Context) error {
		return c.each(ctx, func(ctx context.Context, t *target) error { return d.login(ctx, t, c.portal, o.Preempt) })
	})
}

func (d *Daemon) login(ctx context.Context, t *target, portal string, preempt uint64) error {
	if err := t.takeTurn(ctx); err != nil {
		return err
	}
	defer t.giveTurn()
	t.bringIn(portal)
	if t.now() == up {
		return errors.Join(d.addPaths(ctx, t), d.reserveAll(ctx, t, preempt))
	}
	t.setPreempt(preempt)
	defer t.setPreempt(d.opts.Preempt)
	was := t.now()
	c, err := t.connect(ctx)
	if err == nil {
		err = d.attach(ctx, t, c)
	}
	if err == nil {
		t.log.Info().Int("luns", len(c.disks)).Msg("logged in, as was asked: its files are there")
		return nil
	}
	t.change(was, err)
	if was == waiting {
		return exitcode.With(exitcode.Code(exitcode.Of(err)), fmt.Errorf("not logged in yet, but tried again by itself: %w", err))
	}
	return err
}

// bringIn notes which paths are to be used that were logged out by hand: all, or one.
// A target that is out altogether has no other then.
func (t *target) bringIn(portal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case portal == "":
		clear(t.outPaths)
	case t.state == out:
		for other := range t.places {
			t.outPaths[other] = other != portal
		}
	default:
		delete(t.outPaths, portal)
	}
}

func (t *target) setPreempt(key uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.preempt = key
}

// addPaths gives the session of a target the paths that are in and that it has not.
// One that cannot log in is out again.
func (d *Daemon) addPaths(ctx context.Context, t *target) error {
	s, ok := t.sessionNow().(pathSession)
	if !ok {
		return nil // the only path is there
	}
	var failures []error
	for _, portal := range t.missingPaths() {
		err := s.Add(ctx, t.pathsBy(portal, t.cfg()))
		if err != nil {
			t.takeOutPath(portal)
			_ = s.Remove(ctx, portal)
			failures = append(failures, Classify(err))
			continue
		}
		t.log.Info().Str("portal", portal).Msg("path logged in, as was asked")
	}
	return errors.Join(failures...)
}

// sessionNow is the session, or nil.
func (t *target) sessionNow() session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session
}

// missingPaths are the portals that are in, and of which the session knows nothing.
func (t *target) missingPaths() (list []string) {
	known := map[string]bool{}
	if s, ok := t.sessionNow().(interface{ PathStatus() []initiator.PathStatus }); ok {
		for _, p := range s.PathStatus() {
			known[p.Address] = true
		}
	}
	for _, portal := range t.portals() {
		if !known[portal] && !t.isOut(portal) {
			list = append(list, portal)
		}
	}
	return list
}
