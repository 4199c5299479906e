package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/initiator"
)

// scanTime is how long the scan of one target may take.
const scanTime = 30 * time.Second

// Rescan looks for new targets of the discoveries, and for new, removed and resized
// LUNs on every target. What is logged out stays so.
func (d *Daemon) Rescan(ctx context.Context, o control.RescanOptions) (control.Changes, error) {
	var c changes
	err := d.work(ctx, func(ctx context.Context) error {
		c.add(d.scanAll(ctx, o)) // before those that are new, which need none
		if len(d.discoveries()) == 0 {
			return nil
		}
		if err := d.takeList(ctx); err != nil {
			return err
		}
		defer d.giveList()
		d.findAgain(ctx, &c)
		return nil
	})
	return c.all, err
}

// noOptions are those of a scan that takes nothing over.
var noOptions control.RescanOptions

// scanAll scans every target.
func (d *Daemon) scanAll(ctx context.Context, o control.RescanOptions) control.Changes {
	targets := d.all()
	results := make([]control.Changes, len(targets))
	var group sync.WaitGroup
	for i, t := range targets {
		group.Go(func() { results[i] = d.scan(ctx, t, o, true).Changes })
	}
	group.Wait()
	var c changes
	for _, r := range results {
		c.add(r)
	}
	return c.all
}

// scan is one look at the LUNs of a target. One that nobody asked for removes only
// what has been away for longer than the replacement timeout: a target that is
// starting up may say for a moment that it has no such LUN. What a target that is up has
// taken away goes sooner: when the next scan does not find it either.
func (d *Daemon) scan(ctx context.Context, t *target, o control.RescanOptions, asked bool) *scan {
	ctx, cancel := context.WithTimeoutCause(ctx, scanTime, fmt.Errorf("the target took longer than %s", scanTime))
	defer cancel()
	s := &scan{d: d, t: t, opts: o, asked: asked}
	select {
	case t.scans <- struct{}{}:
		defer func() { <-t.scans }()
		s.run(ctx)
	case <-ctx.Done():
		s.fail(exitcode.With(exitcode.Unreachable, fmt.Errorf("rescan %s: %w", t.cfg().IQN, context.Cause(ctx))))
	}
	return s
}

// scan is a scan under way.
type scan struct {
	control.Changes
	d       *Daemon
	t       *target
	session session
	opts    control.RescanOptions
	asked   bool
	reports []numberedLUN
	failed  bool // the target could not be asked everything
	open    bool // whether an attached LUN is there is not decided yet
}

// refuse takes note of what could not be done.
func (s *scan) refuse(err error) {
	s.Refused = append(s.Refused, err.Error())
	if s.Code == 0 {
		s.Code = exitcode.Of(Classify(err))
	}
}

func (s *scan) fail(err error) {
	s.failed = true
	s.refuse(err)
}

func (s *scan) run(ctx context.Context) {
	session, why := s.t.live()
	if session == nil {
		if s.t.now() != out { // else it is as somebody wants it
			s.fail(why)
		}
		return
	}
	s.session = session
	luns := s.t.attached()
	var before []facts // any command may be told news
	for _, l := range luns {
		before = append(before, l.facts())
	}
	reported, err := session.LUNs(ctx)
	if err != nil {
		s.fail(Classify(err))
		return
	}
	s.reports = byNumber(reported)
	for i, err := range s.refresh(ctx, luns) {
		s.judge(ctx, luns[i], before[i], err)
	}
	s.discover(ctx)
}

// live returns the session of the target, or why it has none.
func (t *target) live() (session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.state == up:
		return t.session, nil
	case t.reason != nil:
		return nil, exitcode.With(exitcode.Code(exitcode.Of(Classify(t.reason))), fmt.Errorf("%s: not logged in: %w", t.cfg().IQN, t.reason))
	}
	return nil, exitcode.Errorf(exitcode.Unreachable, "%s: not logged in: %s", t.cfg().IQN, t.state)
}

// refresh asks LUNs what they are, all at once. Where nobody asked for the scan the
// target has told what has changed of those that it reports and that answer.
func (s *scan) refresh(ctx context.Context, luns []*lun) []error {
	errs := make([]error, len(luns))
	var group sync.WaitGroup
	for i, l := range luns {
		if s.asked || !s.reported(l) || l.opened.Status().State != initiator.DiskReady {
			group.Go(func() { errs[i] = l.opened.Refresh(ctx) })
		}
	}
	group.Wait()
	return errs
}

// judge draws the conclusion from what a LUN has answered.
func (s *scan) judge(ctx context.Context, l *lun, before facts, err error) {
	to, shrunk := l.shrunk(err)
	switch {
	case shrunk && s.opts.AcceptShrink:
		err = s.acceptShrink(ctx, l)
	case shrunk:
		err = nil
		s.refuse(exitcode.Errorf(exitcode.Dirty, "%s: %s", l.path(), l.shrunkText(to, s.d.opts.Mountpoint)))
	case s.gone(l, err):
		s.remove(ctx, l, err)
		return
	}
	if !s.reported(l) || l.opened.Status().State == initiator.DiskAway {
		s.open = true
	}
	if gate := s.d.follow(ctx, l); gate != nil && s.asked {
		s.refuse(gate)
	}
	s.Done = append(s.Done, l.lines(before, l.facts())...)
	if err != nil && s.asked {
		s.refuse(fmt.Errorf("%s: %w", l.path(), err))
	}
}

func (s *scan) reported(l *lun) bool {
	return slices.ContainsFunc(s.reports, func(n numberedLUN) bool { return n.number == l.number })
}

// gone tells whether the target has the LUN no more: it neither reports it nor
// answers for it, or another logical unit is in its place.
func (s *scan) gone(l *lun, err error) bool {
	switch {
	case errors.Is(err, initiator.ErrNotDisk) && !s.reported(l):
		now := l.opened.Status()
		return s.asked || now.State == initiator.DiskLost || now.Removed && time.Since(now.Since) >= scanPause
	case errors.Is(err, initiator.ErrIdentity):
		return s.asked
	}
	return false
}

func (s *scan) acceptShrink(ctx context.Context, l *lun) error {
	dropped, err := l.acceptShrink(ctx)
	if dropped > 0 {
		s.Done = append(s.Done, fmt.Sprintf("%s: dropped %s that lay beyond the new end and was not on the target", l.path(), humanize.IBytes(uint64(dropped))))
	}
	return err
}

// remove takes a LUN away that the target has no more. One with data that is not on
// the target stays, and so does the data.
func (s *scan) remove(ctx context.Context, l *lun, why error) {
	err := errUnsynced
	if l.first != nil || !l.volume.Unsynced() {
		err = s.d.remove(ctx, l, s.d.files.RemoveLUN)
	}
	if errors.Is(err, errUnsynced) {
		_ = s.d.follow(ctx, l)
		s.refuse(exitcode.Errorf(exitcode.Dirty, "%s: the target has it no more (%w), but %s of it is not written: the data is kept until the LUN comes back, or until `iscsifs umount --discard-dirty %s`",
			l.path(), why, humanize.IBytes(uint64(l.dirty())), plain.Quoted(s.d.opts.Mountpoint)))
		return
	}
	if err != nil {
		s.refuse(fmt.Errorf("%s: %w", l.path(), err))
		return
	}
	s.t.log.Warn().Err(why).Msgf("%s: removed", l.path())
	s.Done = append(s.Done, l.path()+": removed")
}

// discover makes files of the LUNs that are new, if the configuration wants them.
func (s *scan) discover(ctx context.Context) {
	if err := s.d.over(); err != nil {
		s.fail(err)
		return
	}
	disks := s.openNew(ctx)
	done, err := s.d.change()
	if err != nil {
		closeDisks(disks)
		s.fail(err)
		return
	}
	defer done()
	if now, _ := s.t.live(); now != s.session {
		closeDisks(disks)
		return // it is being logged out, or was, and in again
	}
	disks = s.fitting(disks)
	luns, errs := s.d.addLocked(ctx, s.t, disks, s.session.Status().Portal)
	for i, l := range luns {
		if errs[i] != nil {
			s.refuse(errs[i])
			continue
		}
		line := fmt.Sprintf("%s: new, %s", l.path(), humanize.IBytes(uint64(l.size())))
		s.t.log.Info().Msg(line)
		s.Done = append(s.Done, line)
	}
}

// fitting are the disks for which a mount has room; others are closed.
func (s *scan) fitting(disks []openDisk) []openDisk {
	room := max(0, maxLUNs-len(s.d.attached()))
	if len(disks) <= room {
		return disks
	}
	s.refuse(errTooMany(s.t.cfg().IQN))
	closeDisks(disks[room:])
	return disks[:room]
}

// openNew opens the disks that are new, until there are more than a mount serves. Others
// that change the set of LUNs do not wait for it: a mount that ends waits for the scan
// before it logs out.
func (s *scan) openNew(ctx context.Context) (opened []openDisk) {
	attached := s.t.attached()
	isOld := func(n numberedLUN) bool {
		return !s.t.wants(n.number) || slices.ContainsFunc(attached, func(l *lun) bool { return l.number == n.number })
	}
	news := slices.DeleteFunc(slices.Clone(s.reports), isOld)
	disks, errs := make([]openDisk, len(news)), make([]error, len(news))
	var count atomic.Int64
	_ = together(len(news), func(i int) error {
		disks[i].number = news[i].number
		disks[i].disk, errs[i] = s.session.OpenDisk(ctx, news[i].lun)
		if errs[i] == nil && int(count.Add(1)) > maxLUNs {
			return errTooMany(s.t.cfg().IQN)
		}
		return nil // the others are to be opened too
	})
	for i, err := range errs {
		switch {
		case err == nil && disks[i].disk != nil:
			opened = append(opened, disks[i])
		case err != nil && !errors.Is(err, initiator.ErrNotDisk) && s.t.now() == up:
			s.fail(Classify(err))
		}
	}
	return opened
}

func closeDisks(disks []openDisk) {
	for _, o := range disks {
		_ = o.disk.Close() // nothing was written
	}
}
