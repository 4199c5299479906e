package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"syscall"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// newLUN is a LUN that is not attached yet.
func newLUN(t *target, o openDisk, portal string) *lun {
	in := newSocket(o.disk)
	l := &lun{target: t, number: o.number, opened: in, disk: in, portal: portal, name: lunName(o.number)}
	switch {
	case t.cfg().ReadOnly:
		l.disk = readOnlyDisk{in}
	case o.disk.ReadOnly():
		l.gate = &gate{disk: in}
		l.disk = l.gate
	}
	l.told = l.facts()
	return l
}

// attached returns the LUNs of the target, by number.
func (t *target) attached() []*lun {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.luns
}

// change takes the right to change the set of LUNs, unless the mount is over.
func (d *Daemon) change() (done func(), err error) {
	d.attaching.Lock()
	if err := d.over(); err != nil {
		d.attaching.Unlock()
		return nil, err
	}
	return d.attaching.Unlock, nil
}

// over is the error of what comes too late: the mount ends.
func (d *Daemon) over() error {
	if s := d.lifecycle.now(); s >= Finishing {
		return exitcode.Errorf(exitcode.Failed, "the daemon is %s", s)
	}
	return nil
}

// endChanges returns when nobody changes the set of LUNs any more, nor can begin
// anything in the background. The state is Finishing.
func (d *Daemon) endChanges() {
	d.attaching.Lock()
	defer d.attaching.Unlock()
}

// addLocked makes files of more disks of a target, and takes the disks over; errs says
// for which it failed, and those are closed. The caller has the right to change the set
// of LUNs.
func (d *Daemon) addLocked(ctx context.Context, t *target, disks []openDisk, portal string) (luns []*lun, errs []error) {
	attached := d.attached()
	errs = make([]error, len(disks))
	for _, o := range disks {
		l := newLUN(t, o, portal)
		l.first = firstOf(l, attached, luns)
		luns = append(luns, l)
	}
	_ = together(len(luns), func(i int) error {
		if l := luns[i]; !slices.Contains(luns, l.first) {
			errs[i] = d.claim(ctx, l)
		}
		return nil // the others are to be there
	})
	for i, l := range luns {
		switch {
		case errs[i] != nil:
			d.undo(ctx, []*lun{l}, errs[i])
		case slices.Contains(luns, l.first): // whose file may not be there
			errs[i] = d.attachOne(ctx, l)
		default:
			errs[i] = d.presentOrUndo(ctx, l)
		}
		if errs[i] != nil {
			_ = disks[i].disk.Close()
			continue
		}
		d.replace(t, nil, l)
	}
	return luns, errs
}

// replace puts a LUN into the lists in the place of another; nil is none.
func (d *Daemon) replace(t *target, old, l *lun) {
	swap := func(list []*lun) []*lun {
		list = slices.DeleteFunc(slices.Clone(list), func(other *lun) bool { return other == old })
		if l != nil {
			list = append(list, l)
		}
		return list
	}
	d.tree.Lock()
	d.luns = swap(d.luns)
	d.tree.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.luns = swap(t.luns)
	slices.SortStableFunc(t.luns, func(a, b *lun) int { return cmp.Compare(a.number, b.number) })
}

// errUnsynced is why a LUN is not removed: data of it is not on the target.
var errUnsynced = errors.New("there is data that is not on the target")

// remove takes a LUN out of the mount: its names vanish, its file by one of the
// methods of the tree for that. Other LUNs that lead to its logical unit get a file of
// their own. Where something was written that is not on the target the error is
// errUnsynced, and the LUN stays.
func (d *Daemon) remove(ctx context.Context, l *lun, file func(dir, name string) error) error {
	done, err := d.change()
	if err != nil {
		return err
	}
	defer done()
	if !slices.Contains(d.attached(), l) {
		return nil // it was replaced meanwhile
	}
	if err := d.withdraw(l, file); err != nil {
		return err
	}
	d.removeLocked(ctx, l)
	d.promoteOthers(ctx, l)
	return nil
}

// withdraw takes the file of a LUN away, so that nobody writes any more, and gives it
// back if somebody has until then.
func (d *Daemon) withdraw(l *lun, file func(dir, name string) error) error {
	if l.first != nil {
		return nil
	}
	err := file(l.target.cfg().Directory, l.name)
	if errors.Is(err, syscall.EBUSY) {
		return exitcode.With(exitcode.InUse, errors.New("somebody has opened it meanwhile"))
	}
	d.logUnlessGone(err)
	if !l.volume.Unsynced() {
		return nil
	}
	if err := d.presentFile(l); err != nil {
		return err
	}
	return errUnsynced
}

func (d *Daemon) removeLocked(ctx context.Context, l *lun) {
	d.detach(ctx, []*lun{l})
	d.replace(l.target, l, nil)
	_ = l.opened.Close()
}

// promoteOthers gives a file to a LUN that was another path to one that is gone.
func (d *Daemon) promoteOthers(ctx context.Context, gone *lun) {
	for _, other := range d.attached() {
		if other.first == gone {
			d.promote(ctx, other)
		}
	}
}

// promote gives a file to a LUN whose name was a link.
func (d *Daemon) promote(ctx context.Context, old *lun) {
	d.detach(ctx, []*lun{old})
	opened, err := old.ownDisk(ctx)
	var l *lun
	if err == nil {
		l = newLUN(old.target, openDisk{old.number, opened}, old.portal)
		err = d.attachOne(ctx, l)
	}
	if err != nil {
		old.target.log.Error().Err(err).Msgf("%s, which was another path to a LUN that was removed, has no file", old.where())
		d.removeLocked(ctx, old)
		return
	}
	d.replace(old.target, old, l)
}
