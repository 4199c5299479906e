package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/holders"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/fusefs"
)

// mount is what the daemon needs of a mounted tree.
type mount interface {
	// Unmount takes the mount away; the error wraps syscall.EBUSY while it is in
	// use.
	Unmount() error
	// Detach takes the name away, and the mount when the last holder has gone.
	Detach(ctx context.Context) error
	// Wait returns when the mount is gone, whoever took it away.
	Wait()
	// Forget takes back what was noted elsewhere about the mount, which is gone.
	Forget() error
	// Refresh makes the kernel take over the size of a file, by its path from the
	// mountpoint on.
	Refresh(ctx context.Context, file string) error
	// Holders are what keeps it in use, as far as it can be seen.
	Holders(ctx context.Context) ([]holders.Holder, []holders.Note, error)
}

// mountFunc makes a tree visible.
type mountFunc func(files *fusefs.FS, opts *Options) (mount, error)

// realMount is a tree mounted through FUSE.
type realMount struct {
	*fusefs.Server
	entry mounts.Mount // its entry in mountinfo
}

// mountFiles is the mountFunc of realMount.
func mountFiles(files *fusefs.FS, opts *Options) (mount, error) {
	allow := map[config.AllowOther]fusefs.AllowOther{
		config.AllowOtherAuto:  fusefs.AllowOtherAuto,
		config.AllowOtherTrue:  fusefs.AllowOtherYes,
		config.AllowOtherFalse: fusefs.AllowOtherNo,
	}[opts.Config.Mount.AllowOther]
	server, err := fusefs.Mount(files, opts.Mountpoint, fusefs.MountOptions{Source: opts.Config.Path, AllowOther: allow})
	if err != nil {
		return nil, err
	}
	entry, found, err := mounts.Find(opts.Mountpoint)
	if err != nil || !found {
		_ = server.Unmount()
		return nil, fmt.Errorf("mount %s: it is not in the list of mounts: %w", opts.Mountpoint, err)
	}
	if err := entry.Enlist(); err != nil {
		opts.Logger.Warn().Err(err).Msg("umount(8) will not wait for the flush; `iscsifs umount` does")
	}
	return &realMount{server, entry}, nil
}

func (m *realMount) Forget() error { return m.entry.Unlist() }

// refreshTime is how long the kernel may take to ask for the size of a file.
const refreshTime = 5 * time.Second

func (m *realMount) Refresh(ctx context.Context, file string) error {
	return m.entry.Refresh(ctx, file, refreshTime)
}

func (m *realMount) Detach(ctx context.Context) error { return m.entry.Unmount(ctx, true) }

func (m *realMount) Holders(ctx context.Context) ([]holders.Holder, []holders.Note, error) {
	return holders.Find(ctx, m.entry, os.Getpid())
}
