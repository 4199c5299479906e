package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Every open file bypasses the page cache and lets writes run in parallel. One
// that did not would take both from all others of the same LUN.
const openFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES

func (f *raw) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.mu.RLock() // until the handle is there, for RemoveIdleLUN
	defer f.mu.RUnlock()
	n := f.nodes[in.NodeId]
	if n == nil || n.file == nil {
		return errStale
	}
	changes := in.Flags&syscall.O_ACCMODE != syscall.O_RDONLY || in.Flags&syscall.O_TRUNC != 0
	if changes && f.readOnly(n.file.lun) {
		return fuse.EROFS
	}
	h := f.handles.add(n, in.Flags, processOf(in.Pid))
	out.Fh = h.fh
	out.OpenFlags = openFlags
	return fuse.OK
}

// Flush comes for every close(2) of every descriptor of an open file. What was
// written through it is durable when close returns, and here the last errors
// are reported.
func (f *raw) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	h := f.handles.get(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	if !h.writing() {
		return fuse.OK
	}
	return f.do(h, cancel, &in.InHeader, "close", h.sync)
}

// Release comes when the last reference to an open file is gone; after
// losetup -d, or munmap(2) after close(2), without a Flush before. Nobody waits
// for it, so what was written is made durable in the background.
func (f *raw) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	h := f.handles.get(in.Fh)
	if h == nil {
		return
	}
	if !h.writing() || !h.file.lun.Unsynced() {
		f.handles.remove(h)
		return
	}
	h.released.Store(true)
	f.later.Go(func() {
		defer f.handles.remove(h)
		f.do(h, nil, &fuse.InHeader{}, "release", h.sync)
	})
}
