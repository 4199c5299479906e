package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
)

// choice is what a command for sessions is about: one target, or all, and of those one
// path, or all.
type choice struct {
	verb    string // for messages
	targets []*target
	portal  string // as the targets have it; "" = every path
}

// choose finds what the arguments of a command name.
func (d *Daemon) choose(verb, iqn, portal string) (choice, error) {
	c := choice{verb: verb, targets: d.all()}
	if iqn != "all" {
		t := d.targetNamed(iqn)
		if t == nil {
			return c, exitcode.Errorf(exitcode.Usage, "%s %s: %s has no target of this name", verb, iqn, d.opts.Mountpoint)
		}
		c.targets = []*target{t}
	}
	if portal == "" {
		return c, nil
	}
	p, err := config.ParsePortal(portal)
	if err != nil {
		return c, exitcode.Errorf(exitcode.Usage, "%s %s: --portal: %w", verb, iqn, err)
	}
	c.portal = p.String()
	there := c.targets
	c.targets = slices.DeleteFunc(slices.Clone(there), func(t *target) bool { return !slices.Contains(t.portals(), c.portal) })
	if len(c.targets) == 0 {
		return c, exitcode.Errorf(exitcode.Usage, "%s %s: it has no portal %s; there are %s", verb, iqn, c.portal, strings.Join(portalsOf(there), ", "))
	}
	return c, nil
}

// portals are the addresses of the target, as the configuration has them.
func (t *target) portals() (list []string) {
	for _, p := range t.cfg().Portals {
		list = append(list, p.String())
	}
	return list
}

func portalsOf(targets []*target) (list []string) {
	for _, t := range targets {
		list = append(list, t.portals()...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// each does something to all chosen targets at once, whatever becomes of the others.
func (c choice) each(ctx context.Context, do func(context.Context, *target) error) error {
	failures := make([]error, len(c.targets))
	var group sync.WaitGroup
	for i, t := range c.targets {
		group.Go(func() { failures[i] = do(ctx, t) })
	}
	group.Wait()
	return errors.Join(failures...)
}
