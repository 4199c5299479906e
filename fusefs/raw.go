package fusefs

import (
	"maps"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// raw is the face that an FS shows to go-fuse. Its methods are in the raw_*.go
// files, by subject. None but CopyFileRange answers the kernel with ENOSYS, which
// it would take as an answer for all files of the mount and for good.
type raw struct{ *FS }

var _ fuse.RawFileSystem = (*raw)(nil)

func (f *raw) String() string          { return "iscsifs" }
func (f *raw) SetDebug(bool)           {}
func (f *raw) Init(*fuse.Server)       {}
func (f *raw) Forget(nodeid, n uint64) {} // nodes live as long as their names

// OnUnmount forgets what is open: for a file that is closed right before the
// unmount, the kernel may send no RELEASE.
func (f *raw) OnUnmount() {
	f.handles.mu.Lock()
	defer f.handles.mu.Unlock()
	maps.DeleteFunc(f.handles.open, func(_ uint64, h *handle) bool { return !h.released.Load() })
}

// node returns a node by its id, or nil when it was removed.
func (f *FS) node(id uint64) *node {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.nodes[id]
}

// errStale answers for a node that was removed: the kernel then looks the name
// up again.
const errStale = fuse.Status(syscall.ESTALE)
