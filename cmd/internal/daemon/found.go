package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/config"
)

// findAll asks the portals of all discoveries when the mount starts, and adds what they
// offer. One that need not answer is asked again in the background, see keepFinding.
func (d *Daemon) findAll(ctx context.Context) error {
	list := d.opts.Config.Discoveries
	offers, errs := make([][]found, len(list)), make([]error, len(list))
	var group sync.WaitGroup
	for i := range list {
		f := &list[i]
		group.Go(func() {
			limit := d.opts.Config.Mount.Wait
			if !f.Required {
				limit = 0
			}
			offers[i], errs[i] = d.findWithin(ctx, f, limit)
		})
	}
	group.Wait()
	var failures []error
	for i := range list {
		f := &list[i]
		switch {
		case errs[i] == nil:
			d.addFound(f, offers[i])
		case f.Required:
			failures = append(failures, notFound(f, errs[i]))
		default:
			d.log.Warn().Err(errs[i]).Stringer("discovery", f.Portal).Msg("mounted without what a discovery may find; it is asked again")
			d.unfound = append(d.unfound, f)
			d.heard(f, errs[i])
		}
	}
	return errors.Join(failures...)
}

// addFound makes targets of what a portal offers and the mount does not have yet. They
// are not logged in to. The caller has the right to change the list.
func (d *Daemon) addFound(f *config.Discovery, offered []found) (added []*target) {
	for _, o := range offered {
		if d.targetNamed(o.iqn) != nil {
			continue
		}
		t := d.newTarget(f.Target(o.iqn, o.portals, f.DirectoryOf(o.iqn, d.takenDirectory)), f)
		d.addTarget(t)
		added = append(added, t)
	}
	return added
}

// takenDirectory tells whether a directory is that of a target.
func (d *Daemon) takenDirectory(name string) bool {
	return slices.ContainsFunc(d.all(), func(t *target) bool { return t.directory() == name })
}

// directory is where the target's files go, from the next login on.
func (t *target) directory() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		return t.next.Directory
	}
	return t.cfg().Directory
}

// keepFinding has the background ask a portal that did not answer until it does. The
// caller has the right to start something there.
func (d *Daemon) keepFinding(f *config.Discovery) {
	if d.setAsked(f, true) {
		return
	}
	d.background.Go(func() {
		defer d.setAsked(f, false)
		d.findLater(d.alive, f)
	})
}

// findLater asks a portal until it offers something, or a reload has taken the discovery
// away. One that is starting up may answer before it has its targets.
func (d *Daemon) findLater(ctx context.Context, f *config.Discovery) {
	for pause := firstPause; sleep(ctx, pause) == nil && d.hasDiscovery(f); pause = min(2*pause, longPause) {
		list, err := d.findWithin(ctx, f, 0)
		if err == nil && d.takeList(ctx) == nil {
			if d.hasDiscovery(f) {
				d.heard(f, nil)
				d.welcome(ctx, d.addFound(f, list), &changes{})
			}
			d.giveList()
			return
		}
		d.heard(f, err)
		d.log.Debug().Err(err).Stringer("discovery", f.Portal).Msg("cannot find targets yet")
	}
}

// setAsked notes whether the background asks a portal, and returns whether it did.
func (d *Daemon) setAsked(f *config.Discovery, now bool) (was bool) {
	d.tree.Lock()
	defer d.tree.Unlock()
	was = d.asked[f]
	if now {
		d.asked[f] = true
	} else {
		delete(d.asked, f)
	}
	return was
}

// heard notes how the last discovery went, for status.
func (d *Daemon) heard(f *config.Discovery, err error) {
	d.tree.Lock()
	defer d.tree.Unlock()
	d.silent[f] = err
}

// silences say which discoveries have found nothing, and why.
func (d *Daemon) silences() (list []string) {
	for _, f := range d.discoveries() {
		d.tree.Lock()
		err := d.silent[f]
		d.tree.Unlock()
		if err != nil {
			list = append(list, fmt.Sprintf("%s has found nothing: %v", f.Source(), err))
		}
	}
	return list
}

// hasDiscovery tells whether a discovery is one of the configuration still.
func (d *Daemon) hasDiscovery(f *config.Discovery) bool {
	return slices.ContainsFunc(d.discoveries(), func(other *config.Discovery) bool { return other == f })
}

// discoveries are those of the configuration in effect.
func (d *Daemon) discoveries() (list []*config.Discovery) {
	d.tree.Lock()
	defer d.tree.Unlock()
	for i := range d.settings.Discoveries {
		list = append(list, &d.settings.Discoveries[i])
	}
	return list
}

// welcome logs in to targets that are new in a live mount. One that does not answer is
// tried again in the background. The caller has the right to change the list.
func (d *Daemon) welcome(ctx context.Context, added []*target, c *changes) {
	var ready []*target
	for _, t := range added {
		if err := d.lockPaths(ctx, t); err != nil {
			c.refuse(err)
			d.forget(ctx, t)
			continue
		}
		ready = append(ready, t)
	}
	for _, o := range d.connections(ctx, ready, once, nil) {
		if o.err == nil {
			o.err = d.attach(ctx, o.t, o.c)
		}
		if o.err != nil {
			o.t.change(waiting, o.err)
			c.refuse(fmt.Errorf("%s: new, but cannot be logged in to yet: %w", o.t.cfg().IQN, o.err))
			continue
		}
		c.newTarget(o.t)
	}
	for _, t := range ready {
		if t.now() == out {
			c.did(t.log, "%s: new, logged out: %v", t.cfg().IQN, errManual)
		}
		d.serve(t)
	}
}

// once is the patience of who has others to see to.
func once(*target) time.Duration { return 0 }

// findAgain asks the portals of all discoveries again, when a user wants to know: what is
// new is logged in to, what is offered no more goes unless its session lives. The caller
// has the right to change the list.
func (d *Daemon) findAgain(ctx context.Context, c *changes) {
	list := d.discoveries()
	offers, errs := make([][]found, len(list)), make([]error, len(list))
	var group sync.WaitGroup
	for i, f := range list {
		group.Go(func() { offers[i], errs[i] = find(ctx, &d.opts, f) })
	}
	group.Wait()
	for i, f := range list {
		d.heard(f, errs[i])
		if errs[i] != nil {
			c.refuse(fmt.Errorf("%s: %w", f.Source(), errs[i]))
			d.keepFinding(f)
			continue
		}
		d.compare(ctx, f, offers[i], c)
		d.welcome(ctx, d.addFound(f, offers[i]), c)
	}
}

// compare takes over what a portal says now of the targets that it offered before.
func (d *Daemon) compare(ctx context.Context, f *config.Discovery, offered []found, c *changes) {
	for _, t := range d.all() {
		if t.foundBy() != f {
			continue
		}
		i := slices.IndexFunc(offered, func(o found) bool { return strings.EqualFold(o.iqn, t.cfg().IQN) })
		if i < 0 {
			d.missed(ctx, t, c)
			continue
		}
		d.alter(ctx, t, f.Target(t.cfg().IQN, offered[i].portals, t.directory()), f, c)
	}
}

// foundBy is the discovery that the target comes from, or nil.
func (t *target) foundBy() *config.Discovery {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.origin
}

// missed deals with a target that is offered no more.
func (d *Daemon) missed(ctx context.Context, t *target, c *changes) {
	if t.now() == up {
		c.did(t.log, "%s: offered no more, and stays as long as its session lives: `iscsifs logout` ends that", t.cfg().IQN)
		return
	}
	d.dismissForGood(ctx, t, "offered no more", c)
}
