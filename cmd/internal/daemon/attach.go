package daemon

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/iscsifs/iscsifs/initiator"
)

// attach makes files of the disks of a connection, all or none, and takes the
// connection over; after an error it is logged out.
func (d *Daemon) attach(ctx context.Context, t *target, c *connection) error {
	done, err := d.change()
	if err != nil {
		logout(ctx, c.session, t.log)
		return err
	}
	defer done()
	luns, err := d.attachDisks(ctx, t, c)
	if err != nil {
		d.undo(ctx, luns, err)
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
		return nil, errTooMany(t.cfg().IQN)
	}
	for _, o := range c.disks {
		l := newLUN(t, o, portal)
		l.first = firstOf(l, attached, luns)
		luns = append(luns, l)
	}
	if err := together(len(luns), func(i int) error { return d.claim(ctx, luns[i]) }); err != nil {
		return luns, err
	}
	for _, l := range luns {
		if err := d.present(l); err != nil {
			return luns, err
		}
	}
	return luns, nil
}

// attachOne gives a LUN its file, or its link where another LUN leads to the
// same logical unit: one unit has one file and one cache.
func (d *Daemon) attachOne(ctx context.Context, l *lun) error {
	l.first = firstOf(l, d.attached())
	if err := d.claim(ctx, l); err != nil {
		d.undo(ctx, []*lun{l}, err)
		return err
	}
	return d.presentOrUndo(ctx, l)
}

// presentOrUndo makes the names of a LUN that was claimed, or ends its use.
func (d *Daemon) presentOrUndo(ctx context.Context, l *lun) error {
	err := d.present(l)
	if err != nil {
		d.undo(ctx, []*lun{l}, err)
	}
	return err
}

// claim makes sure that nobody else uses a LUN in a way that harms, unless another
// LUN of the mount leads there. What was kept of the same unit goes on. After an error
// undo undoes what it did.
func (d *Daemon) claim(ctx context.Context, l *lun) error {
	if l.first != nil {
		return d.join(ctx, l)
	}
	if kept := d.keptOf(l); kept != nil {
		return d.resume(ctx, l, kept)
	}
	let, err := d.guard(ctx, l)
	if err != nil {
		return err
	}
	l.hold(let)
	return d.ready(ctx, l)
}

// Bounds of readying a LUN whose session is lost meanwhile: readyPause is between two
// attempts, readyTime how long it is tried at most, for others wait to attach theirs.
const (
	readyPause = 250 * time.Millisecond
	readyTime  = 30 * time.Second
)

// ready makes a LUN this host's alone where it is to be that, and ends what an earlier
// mount may have left under way to it. A session that is lost meanwhile is waited for.
func (d *Daemon) ready(ctx context.Context, l *lun) error {
	limit := min(l.target.cfg().Session.ReplacementTimeout.Duration(), readyTime)
	for began := time.Now(); ; {
		err := d.readyOnce(ctx, l)
		if !errors.Is(err, initiator.ErrSessionLost) || time.Since(began) >= limit || sleep(ctx, readyPause) != nil {
			return err
		}
	}
}

func (d *Daemon) readyOnce(ctx context.Context, l *lun) error {
	if err := d.reserve(ctx, l); err != nil || l.disk.ReadOnly() {
		return err
	}
	return d.endPredecessor(ctx, l)
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
		if err := d.link(l, l.target.cfg().Directory, l.name, l.first); err != nil {
			return err
		}
		d.linkPath(l, l.first)
		return nil
	}
	if l.volume == nil { // else it was kept
		if err := d.openVolume(l); err != nil {
			return err
		}
	}
	if err := d.presentFile(l); err != nil {
		return err
	}
	l.shown = true
	d.linkID(l)
	d.linkPath(l, l)
	return nil
}

// presentFile gives a LUN its file.
func (d *Daemon) presentFile(l *lun) error {
	if err := d.files.AddLUN(l.target.cfg().Directory, l.name, l.volume, l.xattrs); err != nil {
		return fmt.Errorf("present %s: %w", l.where(), err)
	}
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
		if name := pathName(portal, l.target.cfg().IQN, l.disk.Info()); name != "" {
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

// undo takes LUNs away again that could not all be attached; what was kept of one is
// kept on.
func (d *Daemon) undo(ctx context.Context, luns []*lun, why error) {
	var rest []*lun
	for _, l := range luns {
		if l.unsynced() {
			d.keep(l, why)
		} else {
			rest = append(rest, l)
		}
	}
	d.detach(ctx, rest)
}

// detach takes LUNs out of the tree again, and ends their use.
func (d *Daemon) detach(ctx context.Context, luns []*lun) {
	for _, l := range luns {
		d.hide(l)
	}
	giveUp(ctx, luns)
}

// hide takes the names of a LUN out of the tree, and cuts off who has it open.
func (d *Daemon) hide(l *lun) {
	for _, link := range l.links {
		d.logUnlessGone(d.files.RemoveLink(link.dir, link.name))
	}
	l.links = nil
	if l.shown { // else the name may be another's
		d.logUnlessGone(d.files.RemoveLUN(l.target.cfg().Directory, l.name))
	}
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
