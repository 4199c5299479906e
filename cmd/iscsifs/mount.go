package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/background"
	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/config"
)

// mountRequest is what the command line asks to mount.
type mountRequest struct {
	config     string
	mountpoint string // "" = [mount] point of the configuration
	options    []string
	foreground bool
	readOnly   bool
	shared     bool
	preempt    string
}

func (p *program) mountCommand() *cobra.Command {
	var r mountRequest
	cmd := &cobra.Command{
		Use:   "mount CONFIG [MOUNTPOINT]",
		Short: "Present the LUNs of a configuration as files",
		Long: `mount logs in to the targets of CONFIG and presents each LUN as a file under
MOUNTPOINT, or [mount] point of the configuration. It returns when the files are
there and leaves a daemon behind; when it fails, nothing stays behind.

It prints a line for each LUN: path, size, target, LUN. For a LUN whose block
size is not 512 bytes it prints the losetup line to use.

Options of -o, as mount(8) has them; each overrides the configuration:
  ro            every LUN read-only
  allow_other   other users may use the files
  uid=N, gid=N  owner and group of the files
  mode=MODE     permission bits of the files, as 0600
  wait=TIME     how long to go on trying required targets, as 30s
  nofail        no target is required: mount without those that do not answer
  _netdev, noauto, user, x-… and what else only mount(8) and systemd read`,
		Example: `  iscsifs mount nas.toml /mnt/luns
  iscsifs mount -o ro,wait=1m /etc/iscsifs/nas.toml /mnt/luns
  iscsifs mount --preempt 0x00000000000ab1e5 nas.toml /mnt/luns`,
		Args: between(1, 2, "CONFIG [MOUNTPOINT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.config = args[0]
			if len(args) > 1 {
				r.mountpoint = args[1]
			}
			return p.mount(cmd.Context(), r)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&r.foreground, "foreground", "f", false, "stay in the foreground, log to stderr, tell systemd (sd_notify)")
	flags.StringArrayVarP(&r.options, "options", "o", nil, "options as of mount(8), `OPT[,OPT...]`: see above")
	flags.BoolVar(&r.readOnly, "read-only", false, "every LUN read-only")
	flags.BoolVar(&r.shared, "shared", false, "allow a second read-write use of a LUN on this host; only for LUNs that both know how to share")
	flags.StringVar(&r.preempt, "preempt", "", "take the persistent reservation of LUNs with exclusive = true from `KEY`, and from no other")
	_ = cmd.RegisterFlagCompletionFunc("options", completeOptions)
	return cmd
}

// mount mounts in this process, where it is the daemon or stays in the
// foreground, or starts the daemon.
func (p *program) mount(ctx context.Context, r mountRequest) error {
	cfg, warnings, err := r.load()
	if err != nil {
		return err
	}
	if p.reporter != nil || r.foreground {
		return p.runDaemon(ctx, r, cfg, warnings)
	}
	for _, w := range warnings {
		fmt.Fprintf(p.stderr, "%s\n", w)
	}
	args, err := r.daemonArgs()
	if err != nil {
		return err
	}
	bar := p.newWaitBar("starting")
	defer bar.end()
	return background.Start(ctx, background.Options{
		Args: args, Stdout: bar.above(p.stdout), Stderr: bar.above(p.stderr), OnProgress: bar.logins,
	})
}

// load reads the configuration and changes it as the command line says.
func (r *mountRequest) load() (*config.Config, []config.Warning, error) {
	if _, err := parseKey(r.preempt); err != nil {
		return nil, nil, err
	}
	cfg, warnings, err := loadConfig(r.config)
	if err != nil {
		return nil, nil, err
	}
	if err := applyOptions(cfg, r.options); err != nil {
		return nil, nil, err
	}
	if r.readOnly {
		setReadOnly(cfg)
	}
	if err := r.checkExclusive(cfg); err != nil {
		return nil, nil, err
	}
	if r.mountpoint == "" {
		r.mountpoint = cfg.Mount.Point
	}
	if r.mountpoint == "" {
		return nil, nil, usageError("mount %s: no mountpoint: give one, or set [mount] point in the configuration", r.config)
	}
	return cfg, warnings, nil
}

// loadConfig reads a configuration; its faults are wrong usage.
func loadConfig(path string) (*config.Config, []config.Warning, error) {
	cfg, warnings, err := config.Load(path)
	if err != nil {
		return nil, nil, usageError("%w", err)
	}
	return cfg, warnings, nil
}

// daemonArgs are the arguments of the daemon that does what r asks for.
func (r *mountRequest) daemonArgs() ([]string, error) {
	args := []string{"mount"}
	for _, o := range r.options {
		args = append(args, "-o", o)
	}
	if r.readOnly {
		args = append(args, "--read-only")
	}
	if r.shared {
		args = append(args, "--shared")
	}
	if r.preempt != "" {
		args = append(args, "--preempt", r.preempt)
	}
	path, errPath := filepath.Abs(r.config)
	point, errPoint := filepath.Abs(r.mountpoint)
	return append(args, "--", path, point), errors.Join(errPath, errPoint)
}

// readOnlyMount tells whether nothing at all can be written, so that the mount
// itself is read-only.
func readOnlyMount(cfg *config.Config) bool {
	return !slices.ContainsFunc(cfg.Targets, func(t config.Target) bool { return !t.ReadOnly }) &&
		!slices.ContainsFunc(cfg.Discoveries, func(d config.Discovery) bool { return !d.ReadOnly })
}

// daemonOptions gathers what the daemon is started with.
func (r *mountRequest) daemonOptions(cfg *config.Config, warnings []config.Warning) (daemon.Options, error) {
	opts, err := initiatorOptions(cfg)
	if err != nil {
		return opts, err
	}
	opts.ReadOnly = readOnlyMount(cfg)
	opts.Shared = r.shared
	if opts.Preempt, err = parseKey(r.preempt); err != nil {
		return opts, err
	}
	for _, w := range warnings {
		opts.Warnings = append(opts.Warnings, w.String())
	}
	return opts, nil
}
