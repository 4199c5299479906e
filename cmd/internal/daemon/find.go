package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// discoverFunc asks a portal for its targets, as initiator.Discover does.
type discoverFunc func(ctx context.Context, cfg initiator.Config) ([]initiator.Discovered, error)

// maxFound is how many targets of one discovery are used; no portal has so many for one
// host, and what it says is not to be trusted.
const maxFound = 1024

// found is a target that a portal offers and the configuration wants.
type found struct {
	iqn     string
	portals []config.Portal // at least one
}

// Find asks the portal of a discovery for its targets, and returns those that match, by
// name. directories are those that are taken.
func Find(ctx context.Context, opts Options, f *config.Discovery, directories func(string) bool) ([]config.Target, error) {
	list, err := find(ctx, &opts, f)
	var targets []config.Target
	taken := map[string]bool{}
	for _, t := range list {
		directory := f.DirectoryOf(t.iqn, func(s string) bool { return taken[s] || directories(s) })
		taken[directory] = true
		targets = append(targets, f.Target(t.iqn, t.portals, directory))
	}
	return targets, err
}

func find(ctx context.Context, opts *Options, f *config.Discovery) ([]found, error) {
	ask := opts.discover
	if ask == nil {
		ask = initiator.Discover
	}
	offered, err := ask(ctx, discoveryConfig(opts, f))
	if err != nil {
		return nil, Classify(err)
	}
	var list []found
	for _, o := range offered {
		if f.Matches(o.Name) {
			list = append(list, found{o.Name, portalsOffered(o.Portals)})
		}
	}
	list = merge(list)
	if len(list) > maxFound {
		opts.Logger.Warn().Int("offered", len(list)).Msgf("%s: only %d targets are used", f.Source(), maxFound)
		list = list[:maxFound]
	}
	for i := range list {
		list[i].portals = order(list[i].portals, f.Portal)
	}
	return list, nil
}

// discoveryConfig is what a discovery session is made of. It disturbs no session.
func discoveryConfig(opts *Options, f *config.Discovery) initiator.Config {
	cfg := sessionConfig(opts, &config.Target{Portals: []config.Portal{f.Portal}, Interface: f.Interface, CHAP: f.CHAP, Session: f.Session})
	cfg.ISID = identity.ProbeISID()
	cfg.ReplacementTimeout = 0
	return cfg
}

// portalsOffered are the addresses that can be connected to. Which of them can be
// reached from here, a login shows.
func portalsOffered(offered []initiator.DiscoveredPortal) (list []config.Portal) {
	for _, o := range offered {
		if p, err := config.ParsePortal(o.Address); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// merge sorts by name, and joins records of one target: names that differ in case only
// are one (RFC 7143, section 4.2.7.1).
func merge(list []found) (merged []found) {
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(strings.ToLower(a.iqn), strings.ToLower(b.iqn)) })
	for _, f := range list {
		if last := len(merged) - 1; last >= 0 && strings.EqualFold(merged[last].iqn, f.iqn) {
			merged[last].portals = append(merged[last].portals, f.portals...)
			continue
		}
		merged = append(merged, f)
	}
	return merged
}

// order names each portal once, the one that was asked first, for it can be reached; a
// target without any is there.
func order(offered []config.Portal, asked config.Portal) (list []config.Portal) {
	if len(offered) == 0 || slices.Contains(offered, asked) {
		list = append(list, asked)
	}
	for _, p := range offered {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list[:min(len(list), config.MaxPortals)]
}

// findWithin is find that goes on trying until limit has passed, but not after a
// refusal. That nothing matches is an error too.
func (d *Daemon) findWithin(ctx context.Context, f *config.Discovery, limit time.Duration) ([]found, error) {
	deadline := time.Now().Add(limit)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		list, err := find(ctx, &d.opts, f)
		if err == nil && len(list) == 0 {
			err = exitcode.Errorf(exitcode.Unreachable, "the portal offers this initiator no target that matches")
		}
		left := time.Until(deadline)
		if err == nil || initiator.Refused(err) || left <= 0 {
			return list, err
		}
		pause = min(pause, left)
		d.log.Warn().Err(err).Stringer("discovery", f.Portal).Stringer("again_in", pause).Msg("cannot find targets yet")
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// notFound words why a mount cannot do without a discovery.
func notFound(f *config.Discovery, err error) error {
	return exitcode.With(exitcode.Code(exitcode.Of(err)), fmt.Errorf("%s, which is required: %w", f.Source(), err))
}
