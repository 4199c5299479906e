package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/holders"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// inUse is the error that names what holds the mount, with the exit code InUse;
// nil if nothing is seen to. The process that asks can have inherited a file from
// its shell; it is named only if nobody else holds anything.
func (d *Daemon) inUse(ctx context.Context, asker int) error {
	return d.heldBy(ctx, asker, "unmount "+d.opts.Mountpoint, func(holders.Holder) bool { return true })
}

// targetInUse is inUse for the files of one target.
func (d *Daemon) targetInUse(ctx context.Context, t *target, asker int) error {
	files := map[string]bool{}
	for _, l := range t.attached() {
		files[filepath.Join(d.opts.Mountpoint, l.path())] = l.first == nil
	}
	return d.heldBy(ctx, asker, "logout "+t.cfg().IQN, func(h holders.Holder) bool { return files[h.LUNPath] })
}

// lunInUse is inUse for one file.
func (d *Daemon) lunInUse(ctx context.Context, l *lun) error {
	file := filepath.Join(d.opts.Mountpoint, l.path())
	return d.heldBy(ctx, 0, "remove "+l.path(), func(h holders.Holder) bool { return h.LUNPath == file })
}

// heldBy names the holders that count.
func (d *Daemon) heldBy(ctx context.Context, asker int, what string, counts func(holders.Holder) bool) error {
	list, notes, err := d.holders.find(ctx)
	list = slices.DeleteFunc(list, func(h holders.Holder) bool { return !counts(h) })
	isAsker := func(h holders.Holder) bool { return h.PID != 0 && h.PID == asker }
	if slices.ContainsFunc(list, func(h holders.Holder) bool { return !isAsker(h) }) {
		list = slices.DeleteFunc(list, isAsker)
	}
	if err != nil || len(list) == 0 {
		return err
	}
	return busyWith(what, list, notes)
}

// busyWith words the refusal: a line for each holder, in the order in which they
// can be freed.
func busyWith(what string, list []holders.Holder, notes []holders.Note) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: in use, nothing was changed; free it in this order:", what)
	for _, h := range list {
		fmt.Fprintf(&b, "\n  %s", h)
	}
	for _, note := range notes {
		fmt.Fprintf(&b, "\n  (%s)", note)
	}
	return exitcode.With(exitcode.InUse, errors.New(b.String()))
}

// The kernel lets go of a file a moment after close(2) has returned, and of those
// of a process a moment after it was seen.
const (
	settleTime = 2 * time.Second
	settlePoll = 20 * time.Millisecond
)

// unmountFree unmounts what nobody is seen to hold.
func (d *Daemon) unmountFree(ctx context.Context, asker int) error {
	for deadline := time.Now().Add(settleTime); ; {
		err := d.server.Unmount()
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
		if held := d.inUse(ctx, asker); held != nil {
			return held
		}
		// What waits in close(2) for the target, its process dead perhaps, holds the file.
		waits := d.end.discarding.Load() && d.seesAll(ctx)
		if waits {
			d.files.CutAll()
		}
		switch late := time.Now().After(deadline); {
		case late && waits: // until a target that hangs is given up
			return d.cutOff(ctx)
		case late:
			return d.busyUnseen()
		}
		select {
		case <-time.After(settlePoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// seesAll tells whether nobody can hold a file without being seen.
func (d *Daemon) seesAll(ctx context.Context) bool {
	_, notes, err := d.holders.find(ctx)
	return err == nil && len(notes) == 0
}

// busyUnseen names, by what the tree knows, who cannot be seen in /proc: another
// user's process, or one in another PID namespace.
func (d *Daemon) busyUnseen() error {
	return d.openUnseen("unmount "+d.opts.Mountpoint, func(string) bool { return true })
}

// targetBusyUnseen is busyUnseen for the files of one target.
func (d *Daemon) targetBusyUnseen(t *target) error {
	files := map[string]bool{}
	for _, l := range t.attached() {
		files[l.path()] = l.first == nil
	}
	return d.openUnseen("logout "+t.cfg().IQN, func(path string) bool { return files[path] })
}

func (d *Daemon) openUnseen(what string, counts func(path string) bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: in use, nothing was changed; by whom cannot be seen from here: `sudo fuser -vm %s` may tell", what, d.opts.Mountpoint)
	for _, open := range d.files.OpenFiles() {
		if !counts(open.Path) {
			continue
		}
		fmt.Fprintf(&b, "\n  %s: opened by process %s", filepath.Join(d.opts.Mountpoint, open.Path), joinInts(open.PIDs))
	}
	return exitcode.With(exitcode.InUse, errors.New(b.String()))
}

func joinInts(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

// holdersByFile are the holders of each file for status, by path from the
// mountpoint on.
func (d *Daemon) holdersByFile(ctx context.Context) map[string][]status.Holder {
	list, _, err := d.holders.find(ctx)
	if err != nil {
		d.log.Warn().Err(err).Msg("status without holders")
	}
	byFile := map[string][]status.Holder{}
	for _, h := range list {
		file, err := filepath.Rel(d.opts.Mountpoint, h.LUNPath)
		if err != nil {
			continue
		}
		byFile[file] = append(byFile[file], status.Holder{Kind: string(h.Kind), Name: h.Name, PID: h.PID, User: h.User, Command: h.Command, SectorSize: h.SectorSize})
	}
	return byFile
}
