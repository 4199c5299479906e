package daemon

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// attach makes files of the disks of a connection, all or none, and takes the
// connection over; after an error it is logged out.
func (d *Daemon) attach(ctx context.Context, t *target, c *connection) error {
	d.attaching.Lock()
	defer d.attaching.Unlock()
	luns, err := d.attachDisks(ctx, t, c)
	if err != nil {
		d.detach(ctx, luns)
		logout(ctx, c.session, t.log)
		return err
	}
	d.tree.Lock()
	d.luns = append(d.luns, luns...)
	d.tree.Unlock()
	t.present(c, luns)
	return nil
}

// attachDisks returns what it attached also with an error.
func (d *Daemon) attachDisks(ctx context.Context, t *target, c *connection) ([]*lun, error) {
	var luns []*lun
	attached, portal := d.attached(), c.session.Status().Portal
	if len(attached)+len(c.disks) > maxLUNs {
		return nil, errTooMany(t.cfg.IQN)
	}
	for _, o := range c.disks {
		l := newLUN(t, o, portal)
		l.first = firstOf(l, attached, luns)
		luns = append(luns, l)
	}
	if err := together(len(luns), func(i int) error { return d.claim(ctx, luns[i]) }); err != nil {
		giveUp(ctx, luns)
		return nil, err
	}
	for i, l := range luns {
		if err := d.present(l); err != nil {
			giveUp(ctx, luns[i:])
			return luns[:i], err
		}
	}
	return luns, nil
}

// attachOne gives a LUN its file, or its link where another LUN leads to the
// same logical unit: one unit has one file and one cache.
func (d *Daemon) attachOne(ctx context.Context, l *lun) error {
	l.first = firstOf(l, d.attached())
	err := d.claim(ctx, l)
	if err == nil {
		err = d.present(l)
	}
	if err != nil {
		giveUp(ctx, []*lun{l})
	}
	return err
}

// claim makes sure that nobody else uses a LUN in a way that harms, unless another
// LUN of the mount leads there. After an error giveUp undoes what it did.
func (d *Daemon) claim(ctx context.Context, l *lun) error {
	if l.first != nil {
		return nil
	}
	let, err := d.guard(ctx, l)
	if err != nil {
		return err
	}
	l.hold(let)
	if err := d.reserve(ctx, l); err != nil {
		return err
	}
	if !l.disk.ReadOnly() {
		return d.endPredecessor(ctx, l)
	}
	return nil
}

// giveUp undoes claim, and ends the volumes.
func giveUp(ctx context.Context, luns []*lun) {
	_ = together(len(luns), func(i int) error {
		luns[i].unreserve(ctx)
		luns[i].release()
		return nil
	})
}

// present makes the names of a LUN.
func (d *Daemon) present(l *lun) error {
	if l.first != nil {
		l.target.log.Warn().Msgf("%s is the same logical unit as %s: its file is a link", l.where(), l.first.where())
		if err := d.link(l, l.target.cfg.Directory, l.name, l.first); err != nil {
			return err
		}
		d.linkPath(l, l.first)
		return nil
	}
	if err := d.openVolume(l); err != nil {
		return fmt.Errorf("present %s: %w", l.where(), err)
	}
	if err := d.files.AddLUN(l.target.cfg.Directory, l.name, l.volume, l.xattrs); err != nil {
		return fmt.Errorf("present %s: %w", l.where(), err)
	}
	d.linkID(l)
	d.linkPath(l, l)
	return nil
}

// firstOf returns the attached LUN that leads to the same logical unit.
func firstOf(l *lun, lists ...[]*lun) *lun {
	for _, list := range lists {
		for _, other := range list {
			if other.first == nil && sameUnit(l.disk.Info(), other.disk.Info()) {
				return other
			}
		}
	}
	return nil
}

// linkID gives the unit its name in by-id.
func (d *Daemon) linkID(l *lun) {
	if name := idName(l.disk.Info()); name != "" {
		d.linkOrWarn(l, byID, name, l)
	}
}

// linkPath gives the LUN its names in by-path, one for each portal, which lead to
// the unit's file.
func (d *Daemon) linkPath(l, file *lun) {
	for _, portal := range l.portals() {
		if name := pathName(portal, l.target.cfg.IQN, l.disk.Info()); name != "" {
			d.linkOrWarn(l, byPath, name, file)
		}
	}
}

// linkOrWarn passes over a name that is taken: that is the target's fault, and
// the file is there without it.
func (d *Daemon) linkOrWarn(l *lun, dir, name string, to *lun) {
	if err := d.link(l, dir, name, to); err != nil {
		l.target.log.Warn().Err(err).Msgf("%s has no link in %s", l.where(), dir)
	}
}

// link adds a symbolic link to the file of a LUN.
func (d *Daemon) link(l *lun, dir, name string, to *lun) error {
	if err := d.files.AddLink(dir, name, relativeLink(dir, to.path())); err != nil {
		return fmt.Errorf("present %s: %w", l.where(), err)
	}
	l.links = append(l.links, link{dir, name})
	return nil
}

// detach takes LUNs out of the tree again.
func (d *Daemon) detach(ctx context.Context, luns []*lun) {
	for _, l := range luns {
		for _, link := range l.links {
			d.logUnlessGone(d.files.RemoveLink(link.dir, link.name))
		}
		if l.first == nil {
			d.logUnlessGone(d.files.RemoveLUN(l.target.cfg.Directory, l.name))
		}
	}
	giveUp(ctx, luns)
}

func (d *Daemon) logUnlessGone(err error) {
	if err != nil && !errors.Is(err, syscall.ENOENT) {
		d.log.Error().Err(err).Msg("cannot take a name out of the tree")
	}
}

// hold takes over the guard of the LUN.
func (l *lun) hold(let func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.let = let
}

// release ends the use of the LUN; what is to be flushed was flushed before.
func (l *lun) release() {
	l.closeVolume()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.let != nil {
		l.let()
		l.let = nil
	}
}
