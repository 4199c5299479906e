package daemon

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/iscsifs/iscsifs/cache"
)

// attach makes files of the disks of a connection, all or none, and takes the
// connection over; after an error it is logged out.
func (d *Daemon) attach(ctx context.Context, t *target, c *connection) error {
	d.tree.Lock()
	defer d.tree.Unlock()
	luns, err := d.attachDisks(ctx, t, c)
	if err != nil {
		logout(ctx, c.session, t.log)
		return err
	}
	d.luns = append(d.luns, luns...)
	t.present(c, luns)
	return nil
}

func (d *Daemon) attachDisks(ctx context.Context, t *target, c *connection) (luns []*lun, err error) {
	defer func() {
		if err != nil {
			d.detach(luns)
			luns = nil
		}
	}()
	portal := c.session.Status().Portal
	for _, o := range c.disks {
		l := &lun{target: t, number: o.number, disk: o.disk, portal: portal, name: lunName(o.number)}
		if t.cfg.ReadOnly {
			l.disk = readOnlyDisk{o.disk}
		}
		if err := d.attachOne(ctx, l, luns); err != nil {
			return luns, err
		}
		luns = append(luns, l)
	}
	return luns, nil
}

// attachOne gives a LUN its file, or its link where another LUN leads to the
// same logical unit: one unit has one file and one cache.
func (d *Daemon) attachOne(ctx context.Context, l *lun, siblings []*lun) error {
	if l.first = firstOf(l, d.luns, siblings); l.first != nil {
		l.target.log.Warn().Msgf("%s is the same logical unit as %s: its file is a link", l.where(), l.first.where())
		return d.link(l, l.target.cfg.Directory, l.name, l.first)
	}
	let, err := d.guard(ctx, l)
	if err != nil {
		return err
	}
	l.let = let
	l.volume = cache.New(l.disk, cache.Options{Logger: l.target.log})
	if err := d.files.AddLUN(l.target.cfg.Directory, l.name, l.volume, l.xattrs); err != nil {
		l.release()
		return fmt.Errorf("present %s: %w", l.where(), err)
	}
	d.linkUdevNames(l)
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

// linkUdevNames gives the LUN its names in by-id and by-path. A name that is
// taken is the target's fault; the file is there without it.
func (d *Daemon) linkUdevNames(l *lun) {
	info := l.disk.Info()
	for dir, name := range map[string]string{byID: idName(info), byPath: pathName(l.portal, l.target.cfg.IQN, info)} {
		if name == "" {
			continue
		}
		if err := d.link(l, dir, name, l); err != nil {
			l.target.log.Warn().Err(err).Msgf("%s has no link in %s", l.where(), dir)
		}
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
func (d *Daemon) detach(luns []*lun) {
	for _, l := range luns {
		for _, link := range l.links {
			d.logUnlessGone(d.files.RemoveLink(link.dir, link.name))
		}
		if l.first == nil {
			d.logUnlessGone(d.files.RemoveLUN(l.target.cfg.Directory, l.name))
		}
		l.release()
	}
}

func (d *Daemon) logUnlessGone(err error) {
	if err != nil && !errors.Is(err, syscall.ENOENT) {
		d.log.Error().Err(err).Msg("cannot take a name out of the tree")
	}
}

// release gives up the guard.
func (l *lun) release() {
	if l.let != nil {
		l.let()
		l.let = nil
	}
}
