package holders

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

// Find returns what holds files of a mount, in the order in which it can be freed,
// and what it could not see. daemon is the process that serves the mount, which is
// no holder. It is an error only if nothing can be found at all.
func Find(ctx context.Context, m mounts.Mount, daemon int) ([]Holder, []Note, error) {
	return System{Root: "/"}.Find(ctx, m, daemon)
}

// System is where /proc and /sys are.
type System struct {
	Root string // "/", or a directory with proc and sys in it
}

// Find is the function Find on this system.
func (s System) Find(ctx context.Context, m mounts.Mount, daemon int) ([]Holder, []Note, error) {
	table, err := s.mountTable("self")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot tell what uses %s: %w", m.Point, err)
	}
	f := &finder{System: s, mount: m, daemon: daemon, table: table, nodes: map[string]string{}, above: map[string]string{}}
	f.devices()
	f.mounted()
	if err := f.processes(ctx); err != nil {
		return nil, nil, fmt.Errorf("cannot tell what uses %s: %w", m.Point, err)
	}
	// Who has the file system of a loop device open is freed before what it stands
	// on; devices() has its holders in order, uppermost first.
	return append(f.running, f.standing...), f.notes, nil
}

// finder is one search.
type finder struct {
	System
	mount  mounts.Mount
	daemon int
	table  mountTable        // of this mount namespace
	nodes  map[string]string // device nodes that stand on a file of the mount, and the file
	above  map[string]string // file systems on such devices by their deviceKey, and the file

	running  []Holder // processes
	standing []Holder // all others
	notes    []Note
}

// stand adds a holder, once.
func (f *finder) stand(h Holder) {
	for _, other := range f.standing {
		if other == h {
			return
		}
	}
	f.standing = append(f.standing, h)
}

func (s System) path(elements ...string) string {
	return filepath.Join(append([]string{s.Root}, elements...)...)
}
