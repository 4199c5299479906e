package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func (f *raw) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.RLock()
	defer f.mu.RUnlock()
	dir := f.nodes[in.NodeId]
	if dir == nil {
		return errStale
	}
	n := dir.children[name]
	if n == nil {
		return fuse.ENOENT
	}
	f.entry(n, out)
	return fuse.OK
}

// entry fills in the answer of a lookup, valid for no longer than this once.
func (f *FS) entry(n *node, out *fuse.EntryOut) {
	out.NodeId = n.id
	f.attr(n, &out.Attr)
}

func (f *raw) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := f.node(in.NodeId)
	if n == nil { // fstat(2) goes on working after the LUN was removed
		n = f.handles.node(in.NodeId)
	}
	if n == nil {
		return errStale
	}
	f.attr(n, &out.Attr)
	return fuse.OK
}

func (f *raw) Statx(_ <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	n := f.node(in.NodeId)
	if n == nil {
		return errStale
	}
	var a fuse.Attr
	f.attr(n, &a)
	modified := fuse.SxTime{Sec: a.Mtime, Nsec: a.Mtimensec}
	out.Statx = fuse.Statx{
		Mask: unix.STATX_BASIC_STATS, Blksize: a.Blksize, Nlink: a.Nlink,
		Uid: a.Uid, Gid: a.Gid, Mode: uint16(a.Mode), Ino: a.Ino, Size: a.Size, Blocks: a.Blocks,
		Atime: modified, Ctime: modified, Mtime: modified,
	}
	return fuse.OK
}

// Access is not asked by kernels that check the mode bits by themselves
// (default_permissions).
func (f *raw) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

// SetAttr accepts what is so already, and times, which it forgets.
func (f *raw) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := f.node(in.NodeId)
	if n == nil {
		return errStale
	}
	var a fuse.Attr
	f.attr(n, &a)
	if changesOwnership(in, &a) {
		return f.refusal()
	}
	if size, ok := in.GetSize(); ok {
		if status := f.truncate(cancel, n, in, int64(size)); status != fuse.OK {
			return status
		}
	}
	f.attr(n, &out.Attr)
	return fuse.OK
}

// changesOwnership tells whether in asks for another mode, owner or group.
func changesOwnership(in *fuse.SetAttrIn, a *fuse.Attr) bool {
	const bits = ^uint32(syscall.S_IFMT)
	mode, setMode := in.GetMode()
	uid, setUID := in.GetUID()
	gid, setGID := in.GetGID()
	return setMode && mode != a.Mode&bits || setUID && uid != a.Uid || setGID && gid != a.Gid
}

// truncate succeeds to the present capacity; and on a file opened with O_TRUNC,
// which is as good as empty, to any end further on.
func (f *FS) truncate(cancel <-chan struct{}, n *node, in *fuse.SetAttrIn, size int64) fuse.Status {
	if n.file == nil {
		return fuse.EINVAL
	}
	if f.readOnly(n.file.lun) {
		return fuse.EROFS
	}
	var h *handle
	if fh, ok := in.GetFh(); ok {
		h = f.handles.get(fh)
	}
	if h != nil && h.gap != nil {
		return f.do(h, cancel, &in.InHeader, "truncate", func(r *request) error {
			return h.gap.truncate(r, h.file.lun, size)
		})
	}
	if size != n.file.lun.Size() {
		return fuse.EINVAL
	}
	return fuse.OK
}

// readOnly tells whether lun must not be opened for writing.
func (f *FS) readOnly(lun LUN) bool { return f.opts.ReadOnly || lun.ReadOnly() }
