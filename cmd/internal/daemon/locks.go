package daemon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/guard"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// locks are what the daemon holds until its end.
type locks []*guard.Lock

// add takes over what an acquisition returned.
func (l *locks) add(lock *guard.Lock, err error) error {
	if err == nil {
		*l = append(*l, lock)
	}
	return err
}

func (l *locks) release() {
	for _, lock := range *l {
		_ = lock.Release() // the name goes with the process in any case
	}
	*l = nil
}

// guard refuses a second read-write use of a LUN on this host. let gives the
// LUN free again; nil where there is nothing to give.
func (d *Daemon) guard(ctx context.Context, l *lun) (let func(), err error) {
	if l.disk.ReadOnly() {
		return nil, nil
	}
	return d.guardUnit(ctx, l)
}

// guardUnit is guard of a LUN that may be written.
func (d *Daemon) guardUnit(ctx context.Context, l *lun) (let func(), err error) {
	lock, err := d.lockUnit(ctx, l)
	switch {
	case err == nil:
	case d.opts.Shared:
		l.target.log.Warn().Err(err).Msg("used all the same, because of --shared")
		return nil, nil
	default:
		return nil, err
	}
	return func() { _ = lock.Release() }, nil
}

func (d *Daemon) lockUnit(ctx context.Context, l *lun) (*guard.Lock, error) {
	info := l.disk.Info()
	err := guard.KernelDisk("/sys", guard.Unit{
		Designators: info.Designators,
		Serial:      info.Serial,
		Vendor:      info.Inquiry.Vendor,
		Product:     info.Inquiry.Product,
	}, l.where())
	if err != nil {
		return nil, err
	}
	use := guard.Use{Mountpoint: d.opts.Mountpoint, Path: filepath.Join(d.opts.Mountpoint, l.path()), Socket: d.opts.Socket}
	return d.whenFlushed(ctx, func() (*guard.Lock, error) {
		return guard.LogicalUnit(ctx, unitKey(l), l.where(), use)
	})
}

// unitKey is the same for a logical unit however it is reached. A designator that
// is not unique in the world, like those of tgt, is the same on the next host: it
// counts with the target's name, which is unique (RFC 7143, 4.2.7.1), and the LUN.
// The portal tells nothing: localhost and 127.0.0.1 are one.
func unitKey(l *lun) string {
	info := l.disk.Info()
	best, ok := scsi.BestDesignator(info.Designators)
	id := fmt.Sprintf("%x:%s", uint8(best.Type), hex.EncodeToString(best.Value))
	if ok && best.WorldWideUnique() {
		return id
	}
	return strings.Join([]string{strings.ToLower(l.target.cfg().IQN), strconv.FormatUint(l.number, 10), id, info.Serial}, "\x00")
}

// flushPatience is how long to wait for a daemon that has lost its mount and still
// flushes, to a slow target perhaps. A variable for the tests.
var flushPatience = 2 * time.Minute

// dyingPatience is how long to wait for a holder that does not say who it is: a daemon
// that was killed holds its locks until the kernel is done with it.
const dyingPatience = 5 * time.Second

// flushPoll is how often to look whether it has ended.
const flushPoll = 100 * time.Millisecond

// whenFlushed takes a lock. A daemon whose mount is gone serves its last holders,
// writes what is left and ends: the new mount waits for it, so that it reads what was
// written, and says so once.
func (d *Daemon) whenFlushed(ctx context.Context, take func() (*guard.Lock, error)) (*guard.Lock, error) {
	begun, told := time.Now(), false
	for {
		lock, err := take()
		var held *guard.HeldError
		if !errors.As(err, &held) || time.Since(begun) >= patienceWith(held) {
			return lock, err
		}
		if !told && held.By.Mountpoint != "" {
			d.tellWait(&held.By)
			told = true
		}
		if err := sleep(ctx, flushPoll); err != nil {
			return nil, err
		}
	}
}

// patienceWith is how long to wait for the holder of a lock: not at all for one that
// serves a mount.
func patienceWith(held *guard.HeldError) time.Duration {
	switch {
	case held.By.Mountpoint == "":
		return dyingPatience
	case unmounted(held):
		return flushPatience
	}
	return 0
}

// tellWait says whom the start waits for.
func (d *Daemon) tellWait(by *guard.Use) {
	line := fmt.Sprintf("waiting up to %s for process %d of user %s, which has no mount on %s any more, but serves its last holders or flushes: `iscsifs status %s` shows it",
		flushPatience, by.PID, by.User, by.Mountpoint, plain.Quoted(by.Mountpoint))
	d.log.Info().Msg(line)
	if d.opts.OnWait != nil {
		d.opts.OnWait(line)
	}
}

// unmounted tells whether the holder of a lock has lost its mount, or has none yet.
func unmounted(held *guard.HeldError) bool {
	_, found, err := mounts.Find(held.By.Mountpoint)
	return err == nil && !found
}

// lockPaths makes this the only daemon with the sessions of a target, those that are
// out too. What is locked already stays so.
func (d *Daemon) lockPaths(ctx context.Context, t *target) error {
	use := guard.Use{Mountpoint: d.opts.Mountpoint, Socket: d.opts.Socket}
	t.mu.Lock()
	next := t.next
	t.mu.Unlock()
	paths := t.paths()
	if next != nil {
		paths = append(paths, t.pathsWith(next)...)
	}
	for _, path := range paths {
		if t.locked(path.ISID) {
			continue
		}
		lock, err := d.whenFlushed(ctx, func() (*guard.Lock, error) {
			return guard.Nexus(ctx, d.opts.InitiatorName, path.ISID, path.TargetName, use)
		})
		if err != nil {
			return err
		}
		t.mu.Lock()
		t.nexus[path.ISID] = lock
		t.mu.Unlock()
	}
	return nil
}

func (t *target) locked(isid [6]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nexus[isid] != nil
}

// unlockPaths lets another have the sessions, which are closed.
func (t *target) unlockPaths() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, lock := range t.nexus {
		_ = lock.Release() // the name goes with the process in any case
	}
	clear(t.nexus)
}
