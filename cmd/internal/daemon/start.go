package daemon

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/guard"
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
	trying, quit := context.WithCancel(context.WithoutCancel(ctx))
	d.quit = quit
	defer func() {
		if err != nil {
			d.abandon(ctx)
		}
	}()
	if err := d.lock(ctx); err != nil {
		return nil, err
	}
	if err := d.openMemory(); err != nil {
		return nil, err
	}
	missing, err := d.connectAll(ctx)
	if err != nil {
		return nil, err
	}
	if d.server, err = mountTree(d.files, &d.opts); err != nil {
		return nil, err
	}
	d.protect() // fusermount3 has run
	for _, t := range d.targets {
		d.background.Go(func() { d.watch(trying, t) })
	}
	for _, t := range missing {
		d.background.Go(func() { d.bringUp(trying, t) })
	}
	d.lifecycle.change(Starting, Serving)
	return d, nil
}

func newDaemon(opts Options, open loginFunc) *Daemon {
	d := &Daemon{
		opts:     opts,
		log:      opts.Logger,
		files:    newTree(&opts),
		end:      newEnding(),
		finished: make(chan struct{}),
	}
	d.lifecycle.onState = d.tellState
	slots := make(chan struct{}, maxLogins)
	for _, cfg := range opts.Config.Targets {
		cfg.ReadOnly = cfg.ReadOnly || opts.ReadOnly
		t := &target{
			cfg:   cfg,
			paths: pathConfigs(&opts, &cfg),
			open:  open,
			slots: slots,
			log:   opts.Logger.With().Str("target", cfg.IQN).Logger(),
			news:  newNews(),
			scans: make(chan struct{}, 1),
			since: time.Now(),
		}
		for i := range t.paths {
			t.paths[i].OnEvent, t.paths[i].AcceptShrink = t.news.tell, t.acceptsShrink
		}
		d.targets = append(d.targets, t)
	}
	return d
}

// stateText is what the log says of a state when it begins.
var stateText = map[State]string{
	Serving:   "mounted: the files are there",
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
// the order of the configuration. It returns those that need not be there and
// are not.
func (d *Daemon) connectAll(ctx context.Context) (missing []*target, err error) {
	results := make([]struct {
		c   *connection
		err error
	}, len(d.targets))
	var group sync.WaitGroup
	logins := countLogins(d.targets, d.opts.OnLogins)
	for i, t := range d.targets {
		group.Go(func() {
			defer logins.answered(t)
			results[i].c, results[i].err = t.connectWithin(ctx, d.patience(t))
		})
	}
	group.Wait()
	var failures []error
	for i, t := range d.targets {
		r := results[i]
		if r.err == nil {
			r.err = d.attach(ctx, t, r.c)
		}
		switch {
		case r.err == nil:
		case t.cfg.Required:
			failures = append(failures, r.err)
		default:
			t.change(waiting, r.err)
			t.log.Warn().Err(r.err).Msg("mounted without this target; its files appear when it answers")
			missing = append(missing, t)
		}
	}
	return missing, errors.Join(failures...)
}

// patience is how long the start goes on trying a target: no longer than one
// attempt for those that may come later.
func (d *Daemon) patience(t *target) time.Duration {
	if t.cfg.Required {
		return d.opts.Config.Mount.Wait
	}
	return 0
}

// bringUp tries a target until its files are there.
func (d *Daemon) bringUp(ctx context.Context, t *target) {
	t.keepTrying(ctx, func(c *connection) error {
		err := d.attach(ctx, t, c)
		if err == nil {
			t.log.Info().Int("luns", len(c.disks)).Msg("the target has answered: its files are there")
		}
		return err
	})
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

// lock makes this the only daemon for the mountpoint and for its sessions.
func (d *Daemon) lock(ctx context.Context) error {
	use := guard.Use{Mountpoint: d.opts.Mountpoint, Socket: d.opts.Socket}
	err := d.locks.add(d.whenFlushed(ctx, func() (*guard.Lock, error) {
		return guard.Mountpoint(ctx, d.opts.Mountpoint, use)
	}))
	if err != nil {
		return err
	}
	for _, t := range d.targets {
		for _, path := range t.paths {
			err := d.locks.add(d.whenFlushed(ctx, func() (*guard.Lock, error) {
				return guard.Nexus(ctx, d.opts.InitiatorName, path.ISID, t.cfg.IQN, use)
			}))
			if err != nil {
				return err
			}
		}
	}
	return nil
}
