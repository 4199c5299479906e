package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/config"
)

// Reload reads the configuration again: new targets appear, those that are gone go, as
// with a logout, and settings change that can; the others are named. One with faults
// changes nothing. What was logged out by hand stays out. The log's file is opened anew
// in any case, and first: logrotate(8) has taken it away.
func (d *Daemon) Reload(ctx context.Context) (control.Changes, error) {
	var c changes
	d.reopenLog(&c)
	d.log.Info().Msg("reading the configuration again")
	err := d.work(ctx, func(ctx context.Context) error {
		if err := d.takeList(ctx); err != nil {
			return err
		}
		defer d.giveList()
		d.tellReload(true)
		defer d.tellReload(false)
		cfg, err := d.opts.Load()
		if err != nil {
			c.faults(err)
			return nil
		}
		d.reload(ctx, cfg, &c)
		return nil
	})
	return c.all, err
}

func (d *Daemon) reopenLog(c *changes) {
	if d.opts.ReopenLog == nil {
		return
	}
	if err := d.opts.ReopenLog(); err != nil {
		c.refuse(exitcode.Errorf(exitcode.Failed, "log.file: cannot be opened anew, and goes on where it was: %w", err))
	}
}

func (d *Daemon) tellReload(begins bool) {
	if d.opts.OnReload != nil {
		d.opts.OnReload(begins)
	}
}

// faults notes what is wrong with a configuration, a line for each.
func (c *changes) faults(err error) {
	c.all.Code = int(exitcode.Usage)
	c.all.Refused = append(c.all.Refused, strings.Split(err.Error(), "\n")...)
}

func (d *Daemon) reload(ctx context.Context, cfg *config.Config, c *changes) {
	d.takeSettings(cfg, c)
	d.sortOut(ctx, cfg, c)
	var added []*target
	for _, want := range cfg.Targets {
		if t := d.targetNamed(want.IQN); t != nil {
			d.alter(ctx, t, want, nil, c)
			continue
		}
		t := d.newTarget(want, nil)
		d.addTarget(t)
		added = append(added, t)
	}
	d.welcome(ctx, added, c)
	d.orderAs(cfg)
	d.findAgain(ctx, c)
}

// remount are the settings that cannot change while a mount lives; those that are not
// among them mean nothing then.
func remount(key string) bool {
	return !slices.Contains([]string{"log.level", "mount.point", "mount.wait"}, key)
}

// takeSettings takes over what is not a target's.
func (d *Daemon) takeSettings(cfg *config.Config, c *changes) {
	d.tree.Lock()
	was := d.settings
	d.settings, d.silent = cfg, map[*config.Discovery]error{}
	d.tree.Unlock()
	if cfg.Log.Level != was.Log.Level && d.opts.SetLevel != nil {
		d.opts.SetLevel(cfg.Log.Level)
		c.did(d.log, "log.level: %s", cfg.Log.Level)
	}
	// What could not change before is not in effect yet.
	waits := slices.DeleteFunc(d.opts.Config.Differences(cfg), func(key string) bool { return !remount(key) })
	if len(waits) > 0 {
		c.refuse(exitcode.Errorf(exitcode.Failed, "%s: cannot be changed while it is mounted: `iscsifs umount %s` and `iscsifs mount` take it over",
			strings.Join(waits, ", "), plain.Quoted(d.opts.Mountpoint)))
	}
}

// sortOut lets targets go that the configuration has no more, and gives each that was
// found, or may be found now, the discovery that stands for it.
func (d *Daemon) sortOut(ctx context.Context, cfg *config.Config, c *changes) {
	for _, t := range d.all() {
		iqn := t.cfg().IQN
		if slices.ContainsFunc(cfg.Targets, func(w config.Target) bool { return strings.EqualFold(w.IQN, iqn) }) {
			continue
		}
		if f := successor(t.foundBy(), iqn, cfg.Discoveries); f != nil {
			t.setOrigin(f)
			continue
		}
		d.dismissForGood(ctx, t, "not in the configuration any more", c)
	}
}

// successor is the discovery that a target belongs to from now on: one of the same
// portal that matches, else any that does; nil if there is none.
func successor(was *config.Discovery, iqn string, list []config.Discovery) (best *config.Discovery) {
	for i := range list {
		f := &list[i]
		if !f.Matches(iqn) {
			continue
		}
		if was != nil && was.Portal == f.Portal {
			return f
		}
		if best == nil {
			best = f
		}
	}
	return best
}

// orderAs gives the targets the order of the file; those that were found stay behind.
func (d *Daemon) orderAs(cfg *config.Config) {
	place := func(t *target) int {
		i := slices.IndexFunc(cfg.Targets, func(w config.Target) bool { return strings.EqualFold(w.IQN, t.cfg().IQN) })
		if i < 0 {
			return len(cfg.Targets)
		}
		return i
	}
	list := slices.Clone(d.all())
	slices.SortStableFunc(list, func(a, b *target) int { return place(a) - place(b) })
	d.setTargets(list)
}

// reloadBySignal is Reload with its outcome in the log.
func (d *Daemon) reloadBySignal(ctx context.Context) {
	c, err := d.Reload(ctx)
	for _, line := range c.Refused {
		d.log.Warn().Msg("reload: " + line)
	}
	if err != nil && !errors.Is(err, errEnds) {
		d.log.Error().Err(err).Msg("reload")
	}
}
