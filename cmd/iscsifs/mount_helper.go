package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

// mountHelper is what mount(8) calls for the type iscsifs:
//
//	mount.iscsifs CONFIG DIR [-f -n -s -v] [-N ns] [-t type] [-o opt[,opt…]]
func (p *program) mountHelper(ctx context.Context, args []string) error {
	flags := helperFlags("mount.iscsifs")
	fake := flags.BoolP("fake", "f", false, "check and mount nothing")
	flags.BoolP("sloppy", "s", false, "ignored: an unknown option is an error")
	options := flags.StringArrayP("options", "o", nil, "options")
	args, err := parseHelper(flags, args, "CONFIG DIR", 2)
	if err != nil {
		return err
	}
	r := mountRequest{config: args[0], mountpoint: args[1], options: *options}
	cfg, _, err := r.load()
	if err != nil {
		return err
	}
	if mounted, err := mountedAlready(ctx, cfg.Path, r.mountpoint); mounted || err != nil {
		return err
	}
	if *fake {
		_, err := daemon.CheckMountpoint(ctx, r.mountpoint)
		return err
	}
	return p.mount(ctx, r)
}

// helperFlags are the flags that both helpers have.
func helperFlags(name string) *pflag.FlagSet {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.Usage = func() {}
	flags.BoolP("no-mtab", "n", false, "ignored: there is no mtab")
	flags.BoolP("verbose", "v", false, "ignored")
	flags.StringP("type", "t", "", "ignored: there is one type")
	flags.StringP("namespace", "N", "", "mount namespace; not supported")
	return flags
}

// parseHelper returns the arguments of a helper that are no flags.
func parseHelper(flags *pflag.FlagSet, args []string, usage string, want int) ([]string, error) {
	if err := flags.Parse(args); err != nil {
		return nil, usageError("%s: %w", flags.Name(), err)
	}
	if ns, _ := flags.GetString("namespace"); ns != "" {
		return nil, usageError("%s: -N %s: another mount namespace is not supported; run it in there with nsenter(1)", flags.Name(), ns)
	}
	if flags.NArg() != want {
		return nil, usageError("%s: %s, want %s", flags.Name(), count(flags.NArg(), "argument"), usage)
	}
	return flags.Args(), nil
}

// mountedAlready tells whether a live mount of the same configuration is on the
// mountpoint: `mount -a` is done with it then.
func mountedAlready(ctx context.Context, config, point string) (bool, error) {
	m, found, err := mounts.Find(point)
	if err != nil || !found {
		return false, nil // what is wrong with the mountpoint is said later
	}
	resolved, err := filepath.EvalSymlinks(config)
	if err != nil {
		return false, fmt.Errorf("mount %s: %w", config, err)
	}
	if m.Source != config && m.Source != resolved {
		return false, nil
	}
	state, err := m.Probe(ctx, mounts.ProbeTime)
	return state == mounts.Live, err
}
