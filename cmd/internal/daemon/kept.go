package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// A LUN whose target was logged out by force is kept while data of it is not on the
// target. It has no names and no session; its volume and the guard against a second use
// stay. Any later login that meets the same logical unit resumes it.

// keep takes the names of a LUN out of the tree and keeps its data. The caller has the
// right to change the set of LUNs.
func (d *Daemon) keep(l *lun, why error) {
	d.hide(l)
	now := l.opened.Reservation()
	// What is held back already, another host may have come before.
	l.reserved = l.exclusive() && now.Key != 0 && now.Lost == nil && !l.volume.Late()
	l.opened.unplug(why)
	if l.target.cfg().Cache.LateWrites == config.Hold {
		l.volume.HoldLate() // another host may own the LUN before it is back
	}
	d.replace(l.target, l, nil)
	t := l.target
	t.mu.Lock()
	t.kept = append(t.kept, l)
	t.mu.Unlock()
	t.log.Warn().Msgf("%s: %s that is not on the target is kept in memory until the LUN is back", l.where(), humanize.IBytes(uint64(l.dirty())))
}

// unsynced tells whether data of the LUN may not be on its target.
func (l *lun) unsynced() bool { return l.volume != nil && l.volume.Unsynced() }

// keptLUNs are the kept LUNs of all targets.
func (d *Daemon) keptLUNs() (list []*lun) {
	for _, t := range d.all() {
		t.mu.Lock()
		list = append(list, t.kept...)
		t.mu.Unlock()
	}
	return list
}

// unended are all LUNs whose data is the daemon's to write: those with files or links,
// and those that are kept.
func (d *Daemon) unended() []*lun { return append(d.attached(), d.keptLUNs()...) }

// keptOf returns the kept LUN that is the same logical unit, or nil.
func (d *Daemon) keptOf(l *lun) *lun {
	key := unitKey(l)
	for _, k := range d.keptLUNs() {
		if unitKey(k) == key {
			return k
		}
	}
	return nil
}

// resume gives a LUN the volume of a kept one, when it is proven to be the same logical
// unit and nothing of what was sent to it before can come any more. What then becomes
// of the data is what late_writes says.
func (d *Daemon) resume(ctx context.Context, l, kept *lun) error {
	err := initiator.SameUnit(kept.opened.Info(), l.opened.Info())
	if err == nil && l.target.cfg().ReadOnly {
		err = fmt.Errorf("read_only = true, and nothing can be written")
	}
	if err != nil {
		return exitcode.Errorf(exitcode.Failed, "present %s: %s of it is not on the target, but %w; `iscsifs logout --discard-dirty %s %s` gives the data up",
			l.where(), humanize.IBytes(uint64(kept.dirty())), err, plain.Quoted(d.opts.Mountpoint), kept.target.cfg().IQN)
	}
	unbroken, err := d.readyAgain(ctx, l, kept)
	if err != nil {
		return err
	}
	kept.opened.plug(l.opened.inner())
	l.opened, l.disk, l.gate, l.volume = kept.opened, kept.disk, kept.gate, kept.volume
	l.hold(kept.yield())
	kept.target.dropKept(kept)
	if unbroken || l.target.cfg().Cache.LateWrites == config.Write {
		l.volume.WriteLate()
	}
	return nil
}

// readyAgain is ready for what was kept. unbroken tells whether the reservation has been
// this host's all the time, so that no other host can have written. Only the first attempt
// can tell: a later one may find what that has taken.
func (d *Daemon) readyAgain(ctx context.Context, l, kept *lun) (unbroken bool, err error) {
	unbroken, kept.reserved = kept.reserved, false
	err = d.readyOnce(ctx, l)
	if errors.Is(err, initiator.ErrSessionLost) {
		unbroken, err = false, d.ready(ctx, l)
	}
	return unbroken && l.exclusive() && l.opened.Reservation().Found, err
}

// yield gives up the guard of the LUN to who resumes it.
func (l *lun) yield() (let func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	let, l.let = l.let, nil
	return let
}

// dropKept takes a LUN off the list of kept ones.
func (t *target) dropKept(l *lun) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = slices.DeleteFunc(slices.Clone(t.kept), func(other *lun) bool { return other == l })
}

// discardKept gives up what is kept of a target, and is not being resumed.
func (d *Daemon) discardKept(t *target) {
	d.attaching.Lock()
	defer d.attaching.Unlock()
	t.mu.Lock()
	kept := t.kept
	t.kept = nil
	t.mu.Unlock()
	for _, l := range kept {
		l.release()
	}
}
