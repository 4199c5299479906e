package daemon

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/guard"
	"github.com/iscsifs/iscsifs/cmd/internal/holders"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/fusefs"
)

// maxLogins is how many targets are logged in to at the same time.
const maxLogins = 16

// Start makes the files of a configuration appear on the mountpoint: it logs in
// to the targets, opens their disks and mounts. When it fails, nothing stays
// behind; of several targets that failed the error names all, in file order.
// After success the caller runs [Daemon.Serve].
func Start(ctx context.Context, opts Options) (*Daemon, error) {
	return start(ctx, opts, loginAll, mountFiles)
}

func start(ctx context.Context, opts Options, open loginFunc, mountTree mountFunc) (_ *Daemon, err error) {
	d := newDaemon(opts, open)
	defer func() {
		if err != nil {
			d.abandon(ctx)
		}
	}()
	if err := d.lockMountpoint(ctx); err != nil {
		return nil, err
	}
	if err := d.findAll(ctx); err != nil {
		return nil, err
	}
	if err := d.lockTargets(ctx); err != nil {
		return nil, err
	}
	if err := d.openMemory(); err != nil {
		return nil, err
	}
	if err := d.connectAll(ctx); err != nil {
		return nil, err
	}
	if d.server, err = mountTree(d.files, &d.opts); err != nil {
		return nil, err
	}
	d.protect() // fusermount3 has run
	for _, t := range d.all() {
		d.serve(t)
	}
	for _, f := range d.unfound {
		d.keepFinding(f)
	}
	d.lifecycle.change(Starting, Serving)
	return d, nil
}

func newDaemon(opts Options, open loginFunc) *Daemon {
	d := &Daemon{
		opts:     opts,
		log:      opts.Logger,
		open:     open,
		listing:  make(chan struct{}, 1),
		settings: opts.Config,
		silent:   map[*config.Discovery]error{},
		asked:    map[*config.Discovery]bool{},
		slots:    make(chan struct{}, maxLogins),
		files:    newTree(&opts),
		end:      newEnding(),
		finished: make(chan struct{}),
	}
	d.alive, d.quit = context.WithCancel(context.Background())
	d.holders = newSearches(func() ([]holders.Holder, []holders.Note, error) { return d.server.Holders(d.alive) })
	d.lifecycle.onState = d.tellState
	for _, cfg := range opts.Config.Targets {
		d.targets = append(d.targets, d.newTarget(cfg, nil))
	}
	return d
}

// stateText is what the log says of a state when it begins.
var stateText = map[State]string{
	Serving:   "serves: the files are there",
	Leaving:   "asked to end: serves until the last holder has gone",
	Stopping:  "unmounts, if nothing is in the way: flushes first",
	Finishing: "unmounted: flushes what is left, and logs out",
	Stopped:   "ended: nothing is mounted, and all sessions are logged out",
}

// tellState tells the log and who else wants to know.
func (d *Daemon) tellState(s State) {
	d.log.Info().Stringer("state", s).Str("mountpoint", d.opts.Mountpoint).Msg(stateText[s])
	if d.opts.OnState != nil {
		d.opts.OnState(s)
	}
}

// newTree makes the empty tree; its files belong to who mounts, unless the
// configuration says otherwise.
func newTree(opts *Options) *fusefs.FS {
	cfg := &opts.Config.Mount
	owner := func(id *uint32, own int) uint32 {
		if id != nil {
			return *id
		}
		return uint32(own)
	}
	return fusefs.New(fusefs.Options{
		UID:      owner(cfg.UID, os.Getuid()),
		GID:      owner(cfg.GID, os.Getgid()),
		Mode:     cfg.Mode,
		ReadOnly: opts.ReadOnly,
		Logger:   opts.Logger,
	})
}

// connectAll logs in to all targets at once and makes files of their disks in
// the order of the list. Those that need not be there and are not go on waiting.
func (d *Daemon) connectAll(ctx context.Context) error {
	var failures []error
	for _, o := range d.connections(ctx, d.all(), d.patience, d.opts.OnLogins) {
		if o.err == nil {
			o.err = d.attach(ctx, o.t, o.c)
		}
		switch {
		case o.err == nil:
		case o.t.cfg().Required:
			failures = append(failures, o.err)
		default:
			o.t.change(waiting, o.err)
			o.t.log.Warn().Err(o.err).Msg("mounted without this target; its files appear when it answers")
		}
	}
	return errors.Join(failures...)
}

// outcome is what came of the attempts to log in to a target.
type outcome struct {
	t   *target
	c   *connection
	err error
}

// connections logs in at once to those of the targets that wait, and goes on trying each
// for as long as patience says. tell, which may be nil, is told how far it is.
func (d *Daemon) connections(ctx context.Context, targets []*target, patience func(*target) time.Duration, tell func(Logins)) (list []outcome) {
	for _, t := range targets {
		if t.now() == waiting {
			list = append(list, outcome{t: t})
		}
	}
	var group sync.WaitGroup
	logins := countLogins(list, tell)
	for i := range list {
		o := &list[i]
		group.Go(func() {
			defer logins.answered(o.t)
			o.c, o.err = o.t.connectWithin(ctx, patience(o.t))
		})
	}
	group.Wait()
	return list
}

// patience is how long the start goes on trying a target: no longer than one
// attempt for those that may come later.
func (d *Daemon) patience(t *target) time.Duration {
	if t.cfg().Required {
		return d.opts.Config.Mount.Wait
	}
	return 0
}

// abandon undoes a start that failed.
func (d *Daemon) abandon(ctx context.Context) {
	d.lifecycle.change(Starting, Stopped)
	d.quit()
	d.detach(ctx, d.attached())
	d.logoutAll(ctx)
	d.closeMemory()
	d.locks.release()
}

// lockMountpoint makes this the only daemon for the mountpoint.
func (d *Daemon) lockMountpoint(ctx context.Context) error {
	use := guard.Use{Mountpoint: d.opts.Mountpoint, Socket: d.opts.Socket}
	return d.locks.add(d.whenFlushed(ctx, func() (*guard.Lock, error) {
		return guard.Mountpoint(ctx, d.opts.Mountpoint, use)
	}))
}

// lockTargets makes this the only daemon for its sessions.
func (d *Daemon) lockTargets(ctx context.Context) error {
	for _, t := range d.all() {
		if err := d.lockPaths(ctx, t); err != nil {
			return err
		}
	}
	return nil
}
