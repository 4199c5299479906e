package daemon

import (
	"context"

	"github.com/iscsifs/iscsifs/initiator"
)

// A logical unit may be met under two target names: an array can give each of its ports
// one of its own. It is one file, with one volume; the sessions under the second name
// are further paths to it, where both targets are used by paths.

// several tells whether the target is used by paths: it has more than one, or another
// target of the mount may lead to its units.
func (t *target) several() bool {
	cfg := t.opts.Config
	return len(t.paths()) > 1 || len(cfg.Targets) > 1 || len(cfg.Discoveries) > 0
}

// guestDisk is a unit of another target that this one has paths to.
type guestDisk struct {
	unitDisk
	own initiator.DiskInfo // as it was met here
}

// Info is that of the unit, under the LUN that it has here.
func (g guestDisk) Info() initiator.DiskInfo {
	info := g.unitDisk.Info()
	info.LUN = g.own.LUN
	return info
}

// Close takes the paths back; the unit goes on without them.
func (g guestDisk) Close() error {
	g.paths.LeaveUnit(g.Unit)
	return nil
}

// join makes the paths of a LUN paths to the unit of its first. Where that does not
// go, the LUN is a link all the same. An error says that it cannot even be opened again.
func (d *Daemon) join(ctx context.Context, l *lun) error {
	own, ok := l.opened.inner().(unitDisk)
	first, also := l.first.opened.inner().(unitDisk)
	if !ok || !also {
		l.target.log.Warn().Msgf("%s is not used as a path to %s: one of them was logged in to as the only target; mount again", l.where(), l.first.where())
		return nil
	}
	info := own.Info()
	_ = own.Close()
	err := own.paths.JoinUnit(ctx, info.LUN, first.Unit)
	if err == nil {
		l.opened.plug(guestDisk{unitDisk{first.Unit, own.paths}, info})
		return nil
	}
	l.target.log.Warn().Err(err).Msgf("%s is not used as a path to %s", l.where(), l.first.where())
	again, err := realPaths{own.paths}.OpenDisk(ctx, info.LUN)
	if err == nil {
		l.opened.plug(again)
	}
	return err
}

// ownDisk is the disk of a LUN whose first is gone, opened anew if that was the first's.
func (l *lun) ownDisk(ctx context.Context) (disk, error) {
	g, joined := l.opened.inner().(guestDisk)
	if !joined {
		return l.opened.inner(), nil
	}
	_ = g.Close()
	return realPaths{g.paths}.OpenDisk(ctx, g.own.LUN)
}
