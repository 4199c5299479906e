package daemon

import (
	"context"
	"sync/atomic"
)

// gate is a disk that the target protected against writes when it was attached. The
// guard against a second use that writes is taken when the protection has gone; until
// it is held, nothing is written.
type gate struct {
	disk
	open atomic.Bool
}

// ReadOnly tells whether the disk must not be written.
func (g *gate) ReadOnly() bool { return !g.open.Load() || g.disk.ReadOnly() }

// openGate lets a LUN be written that the target protects no longer. An error says
// who else writes it.
func (d *Daemon) openGate(ctx context.Context, l *lun) error {
	if l.gate == nil || l.first != nil || l.gate.open.Load() || l.opened.ReadOnly() {
		return nil
	}
	let, err := d.guardUnit(ctx, l)
	if err != nil {
		return err
	}
	if err := d.takeUnit(ctx, l); err != nil {
		if let != nil {
			let()
		}
		return err
	}
	l.hold(let)
	l.gate.open.Store(true)
	return nil
}

// takeUnit readies a LUN to be written: it is this host's, no writes of an earlier
// mount come any more, and what others wrote before it was reserved is not hidden by
// what was read.
func (d *Daemon) takeUnit(ctx context.Context, l *lun) error {
	if err := d.reserveUnit(ctx, l); err != nil {
		return err
	}
	err := d.endPredecessor(ctx, l)
	if err == nil && l.exclusive() {
		err = l.distrust(ctx)
	}
	if err != nil {
		l.unreserve(ctx)
	}
	return err
}
