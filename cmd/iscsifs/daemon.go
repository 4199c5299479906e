package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"sync"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/cmd/internal/reclaim"
	"github.com/iscsifs/iscsifs/config"
)

// audience is who is told how the start goes.
type audience interface {
	Out(line string)
	Warn(line string)
	Progress(value any)
	Ready() error // returns an error if nobody wants the mount any more
}

// runDaemon mounts and serves until the mount is gone.
func (p *program) runDaemon(ctx context.Context, r mountRequest, cfg *config.Config, warnings []config.Warning) error {
	var to audience = foreground{p.stdout, p.stderr}
	if p.reporter != nil {
		var cancel context.CancelFunc
		ctx, cancel = p.reporter.Context(ctx)
		defer cancel()
		to = p.reporter
	}
	log, err := p.openLog(&cfg.Log, r.foreground)
	if err != nil {
		return err
	}
	defer log.end()
	for _, w := range warnings {
		log.Warn().Msg(w.String())
	}
	opts, err := r.daemonOptions(cfg, warnings)
	if err != nil {
		return err
	}
	opts.Logger, opts.LogPlace, opts.ReopenLog = log.Logger, log.place, log.reopen
	opts.SetLevel = log.level.Set
	r.config = cfg.Path // wherever the process goes
	opts.Load = func() (*config.Config, error) {
		again, warnings, err := r.load()
		for _, w := range warnings {
			log.Warn().Msg(w.String())
		}
		return again, err
	}
	if r.foreground {
		opts.OnState, opts.OnReload = notifyState, notifyReload
	}
	err = p.serveMount(ctx, r.mountpoint, opts, log.level, to)
	if err != nil {
		log.Error().Err(err).Msg("ended")
	}
	return err
}

// serveMount starts the daemon, says that it is ready, and serves.
func (p *program) serveMount(ctx context.Context, point string, opts daemon.Options, level *daemon.LogLevel, to audience) (err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, daemon.HandledSignals...)
	defer signal.Stop(signals)
	spareProcessor()
	if opts.Mountpoint, err = daemon.CheckMountpoint(ctx, point); err != nil {
		return err
	}
	if opts.Socket, err = control.Path(opts.Mountpoint); err != nil {
		return err
	}
	opts.Protect = reclaim.Protect
	scrapes, err := listenForScrapes(ctx, opts.Config)
	if err != nil {
		return err
	}
	defer scrapes.Close()
	opts.OnWait = func(line string) { to.Warn("iscsifs: mount " + opts.Mountpoint + ": " + line) }
	opts.OnLogins = func(l daemon.Logins) { to.Progress(l) }
	d, err := daemon.Start(ctx, opts)
	if err != nil {
		return err
	}
	// From here on a signal asks the daemon to end and cancels nothing.
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var helpers sync.WaitGroup
	defer func() { stop(); helpers.Wait() }()
	served := make(chan error, 1)
	helpers.Go(func() { served <- d.Serve(ctx) })
	helpers.Go(func() { d.Signals(ctx, signals, level) })
	helpers.Go(func() { scrapes.serve(ctx, d, opts.Logger) })
	if err := announce(ctx, &helpers, d, opts, to); err != nil {
		return errors.Join(err, d.Unmount(ctx, daemon.UnmountOptions{Force: true}), <-served)
	}
	return <-served
}

// announce opens the control socket and tells the user what is mounted.
func announce(ctx context.Context, helpers *sync.WaitGroup, d *daemon.Daemon, opts daemon.Options, to audience) error {
	server, err := control.Listen(opts.Socket, opts.Logger)
	if err != nil {
		return err
	}
	helpers.Go(func() {
		if err := server.Serve(ctx, d.Answer); err != nil {
			opts.Logger.Error().Err(err).Msg("commands cannot reach this daemon any more; signals can")
		}
	})
	report := d.Report(ctx)
	for _, line := range mountedLines(report) {
		to.Out(line)
	}
	for _, line := range report.Warnings[len(opts.Warnings):] { // the others have been printed
		to.Warn("iscsifs: " + line)
	}
	for _, line := range missingLines(report) {
		to.Warn(line)
	}
	return to.Ready()
}

// initiatorOptions says who this host is to the targets.
func initiatorOptions(cfg *config.Config) (opts daemon.Options, err error) {
	opts.Config = cfg
	opts.InitiatorName, _, err = identity.InitiatorName(cfg.Initiator.Name)
	if err != nil {
		return opts, err
	}
	opts.InitiatorAlias = cfg.Initiator.Alias
	if opts.InitiatorAlias == "" {
		opts.InitiatorAlias, _ = os.Hostname() // none is no harm
	}
	return opts, nil
}

// spareProcessor has the runtime use one more processor than there is: a goroutine
// that waits in read(2) for the kernel's next request keeps one of them from the others
// for up to 10 ms. With two processors a read of 4 KiB from the target took 75 µs of
// processor time instead of 110, and less than half of the thread switches. Who sets
// GOMAXPROCS decides for himself.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
