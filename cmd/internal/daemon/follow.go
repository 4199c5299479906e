package daemon

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator"
)

// facts are what a user is told of a LUN when they change.
type facts struct {
	size      int64
	protected bool   // by the target
	product   string // what it calls itself
	state     initiator.DiskState
	reason    string // of the state
	space     initiator.SpaceState
}

func (l *lun) facts() facts {
	info, s := l.opened.Info(), l.opened.Status()
	f := facts{
		size:      l.size(),
		protected: info.Mode.WriteProtect,
		product:   productOf(&info),
		state:     s.State,
		reason:    reason(s.Reason),
		space:     s.Space,
	}
	if f.state == initiator.DiskUnproven { // for a moment
		f.state = initiator.DiskReady
	}
	return f
}

func productOf(info *initiator.DiskInfo) string {
	i := &info.Inquiry
	return strings.Join(strings.Fields(i.Vendor+" "+i.Product+" revision "+i.Revision+" serial "+info.Serial), " ")
}

// changes words how f differs from now.
func (f facts) changes(now facts) (lines []string) {
	say := func(differs bool, format string, args ...any) {
		if differs {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	say(now.size != f.size, "%s", sizeChange(f.size, now.size))
	say(now.protected && !f.protected, "write-protected by the target")
	say(!now.protected && f.protected, "no longer write-protected by the target")
	say(now.product != f.product, "is %s now", now.product)
	say(now.state != f.state && now.state == initiator.DiskReady, "back")
	say(now.state != f.state && now.state != initiator.DiskReady, "%s: %s", now.state, now.reason)
	say(now.space > f.space, "%s", spaceText(now.space))
	say(now.space < f.space && f.space == initiator.SpaceExhausted, "the target has space again")
	return lines
}

// sizeChange is "grew from 1.0 GiB to 2.0 GiB".
func sizeChange(from, to int64) string {
	verb := "grew"
	if to < from {
		verb = "shrank"
	}
	a, b := humanize.IBytes(uint64(from)), humanize.IBytes(uint64(to))
	if a == b {
		a, b = fmt.Sprintf("%d bytes", from), fmt.Sprintf("%d bytes", to)
	}
	return fmt.Sprintf("%s from %s to %s", verb, a, b)
}

// lines is changes with the LUN's name.
func (l *lun) lines(was, now facts) (lines []string) {
	for _, line := range was.changes(now) {
		lines = append(lines, l.path()+": "+line)
	}
	return lines
}

// follow acts on what has changed of a LUN since it was last called, and tells the
// log. When it returns, the kernel knows the size. An error says why a LUN that the
// target protects no longer stays read-only.
func (d *Daemon) follow(ctx context.Context, l *lun) error {
	l.following.Lock()
	defer l.following.Unlock()
	d.tellChanges(ctx, l)
	if err := d.openGate(ctx, l); err != nil {
		err = fmt.Errorf("%s stays read-only, though the target protects it no longer: %w", l.path(), err)
		l.target.log.Warn().Err(err).Msg("the LUN cannot be written")
		return err
	}
	return nil
}

// tellChanges tells the log, and the kernel of a size. l.following is held.
func (d *Daemon) tellChanges(ctx context.Context, l *lun) {
	was, now := l.told, l.facts()
	l.told = now
	level := zerolog.InfoLevel
	if now.space > was.space {
		level = zerolog.WarnLevel
	}
	was.state, was.reason = now.state, now.reason // of which the initiator has told the log
	for _, line := range l.lines(was, now) {
		l.target.log.WithLevel(level).Msg(line)
	}
	if was.size == now.size || l.first != nil {
		return
	}
	if err := d.server.Refresh(ctx, l.path()); err != nil {
		l.target.log.Warn().Err(err).Msgf("the kernel may not know the new size of %s yet: `stat` tells it", l.path())
	}
}
