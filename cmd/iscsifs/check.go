package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
)

func (p *program) checkCommand() *cobra.Command {
	var show, connect bool
	cmd := &cobra.Command{
		Use:   "check CONFIG",
		Short: "Validate a configuration",
		Long: `check validates CONFIG and prints every fault on a line of its own. It contacts
nobody unless told to.`,
		Example: `  iscsifs check nas.toml
  iscsifs check --connect nas.toml`,
		Args: between(1, 1, "CONFIG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.check(cmd.Context(), args[0], show, connect)
		},
	}
	cmd.Flags().BoolVar(&show, "show", false, "print the settings in effect for each target, defaults included, secrets masked")
	cmd.Flags().BoolVar(&connect, "connect", false, "also log in to each target and say what is there; mounts nothing and disturbs no live session")
	return cmd
}

func (p *program) check(ctx context.Context, path string, show, connect bool) error {
	cfg, warnings, err := loadConfig(path)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(p.stderr, w)
	}
	if show {
		err = inEffect(*cfg).WriteEffective(p.stdout)
	} else {
		_, err = fmt.Fprintf(p.stdout, "%s: valid, %s\n", path, contents(cfg))
	}
	if err != nil || !connect {
		return err
	}
	return p.checkConnect(ctx, cfg, show)
}

// inEffect fills in what a configuration leaves to the host and to who mounts; that no
// initiator name can be had is for who logs in to say.
func inEffect(cfg config.Config) *config.Config {
	if opts, err := initiatorOptions(&cfg); err == nil {
		cfg.Initiator.Name, cfg.Initiator.Alias = opts.InitiatorName, opts.InitiatorAlias
	}
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	if cfg.Mount.UID == nil {
		cfg.Mount.UID = &uid
	}
	if cfg.Mount.GID == nil {
		cfg.Mount.GID = &gid
	}
	return &cfg
}

// contents counts what a configuration has to log in to.
func contents(cfg *config.Config) string {
	text := count(len(cfg.Targets), "target")
	if n := len(cfg.Discoveries); n > 0 {
		text += fmt.Sprintf(", %d to discover", n)
	}
	return text
}

// checkConnect looks at each target, in the file's order, whatever becomes of the
// others; then at those that are found, whose settings it shows where that is asked for.
func (p *program) checkConnect(ctx context.Context, cfg *config.Config, show bool) error {
	opts, err := initiatorOptions(cfg)
	if err != nil {
		return err
	}
	found, err := p.checkDiscoveries(ctx, opts, cfg)
	failures := []error{err}
	for i := range found {
		if show {
			failures = append(failures, found[i].WriteEffective(p.stdout))
		}
	}
	return errors.Join(append(failures, p.checkTargets(ctx, opts, append(cfg.Targets, found...)))...)
}

// checkDiscoveries asks the portals of all discoveries for what a mount would log in to.
func (p *program) checkDiscoveries(ctx context.Context, opts daemon.Options, cfg *config.Config) (all []config.Target, err error) {
	var failures []error
	known := func(other config.Target) func(config.Target) bool {
		return func(t config.Target) bool { return strings.EqualFold(t.IQN, other.IQN) }
	}
	for i := range cfg.Discoveries {
		f := &cfg.Discoveries[i]
		found, err := daemon.Find(ctx, opts, f, func(name string) bool {
			return slices.ContainsFunc(append(cfg.Targets, all...), func(t config.Target) bool { return t.Directory == name })
		})
		if err == nil && len(found) == 0 {
			err = exitcode.Errorf(exitcode.Unreachable, "check %s: the portal offers this initiator no target that matches", f.Source())
		}
		failures = append(failures, err)
		for _, t := range found {
			if !slices.ContainsFunc(cfg.Targets, known(t)) && !slices.ContainsFunc(all, known(t)) {
				fmt.Fprintf(p.stdout, "%s: found by %s\n", t.IQN, f.Source())
				all = append(all, t)
			}
		}
	}
	return all, errors.Join(failures...)
}

func (p *program) checkTargets(ctx context.Context, opts daemon.Options, targets []config.Target) error {
	bar := p.newWaitBar("logging in")
	defer bar.end()
	out := bar.above(p.stdout)
	var failures []error
	for i, t := range targets {
		bar.set(i, len(targets), "logging in to "+t.IQN)
		found, err := probe(ctx, daemon.ProbeConfig(opts, t))
		if err == nil {
			fmt.Fprintf(out, "%s: logged in, %s\n", t.IQN, count(len(found), "disk"))
			for _, l := range found {
				fmt.Fprintf(out, "  %s\n", l)
			}
			err = listedThere(t, found)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// listedThere makes sure that each LUN that the configuration lists is a disk.
func listedThere(t config.Target, found []probedLUN) error {
	there := map[uint64]bool{}
	for _, l := range found {
		there[l.LUN] = true
	}
	var failures []error
	for _, want := range t.LUNs {
		if !there[uint64(want)] {
			failures = append(failures, exitcode.Errorf(exitcode.Failed, "check LUN %d of %s: the target has no disk there", want, t.IQN))
		}
	}
	return errors.Join(failures...)
}
