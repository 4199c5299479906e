package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// all returns the targets of the mount: those of the file in its order, then those
// that were found, by name.
func (d *Daemon) all() []*target {
	d.tree.Lock()
	defer d.tree.Unlock()
	return d.targets[:len(d.targets):len(d.targets)]
}

// setTargets replaces the list.
func (d *Daemon) setTargets(list []*target) {
	d.tree.Lock()
	defer d.tree.Unlock()
	d.targets = list
}

// targetNamed returns a target of the mount by its name, or nil.
func (d *Daemon) targetNamed(iqn string) *target {
	for _, t := range d.all() {
		if strings.EqualFold(t.cfg().IQN, iqn) {
			return t
		}
	}
	return nil
}

// addTarget puts a target behind those that there are; those that were found stand
// behind those of the file.
func (d *Daemon) addTarget(t *target) {
	list := append(slices.Clone(d.all()), t)
	slices.SortStableFunc(list, func(a, b *target) int {
		switch {
		case a.foundBy() == nil && b.foundBy() != nil:
			return -1
		case a.foundBy() != nil && b.foundBy() == nil:
			return 1
		}
		return 0
	})
	d.setTargets(list)
}

// takeList waits for the right to change the list of targets.
func (d *Daemon) takeList(ctx context.Context) error {
	select {
	case d.listing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *Daemon) giveList() { <-d.listing }

// serve begins what is done for a target in the background: it heeds its news and,
// where it waits, tries it. The caller has the right to start something there.
func (d *Daemon) serve(t *target) {
	d.background.Go(func() { d.watch(t.ctx, t) })
	if t.now() == waiting {
		d.try(t)
	}
}

// forget takes a target that has no LUNs out of the mount.
func (d *Daemon) forget(ctx context.Context, t *target) {
	d.setTargets(slices.DeleteFunc(slices.Clone(d.all()), func(other *target) bool { return other == t }))
	t.end(ctx)
}

// errEnds is why what is under way for a mount ends.
var errEnds = errors.New("the mount ends")

// work carries out what opens or closes sessions at the request of a user: the end of
// the mount ends it and waits for it.
func (d *Daemon) work(ctx context.Context, do func(context.Context) error) error {
	done, err := d.change()
	if err != nil {
		return err
	}
	d.background.Add(1)
	defer d.background.Done()
	done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.alive, func() { cancel(errEnds) })()
	return do(ctx)
}
