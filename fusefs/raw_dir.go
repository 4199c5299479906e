package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func (f *raw) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	if f.node(in.NodeId) == nil {
		return errStale
	}
	return fuse.OK
}

func (f *raw) ReleaseDir(*fuse.ReleaseIn) {}

func (f *raw) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

func (f *raw) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(e fuse.DirEntry, _ *node) bool { return out.AddDirEntry(e) })
}

func (f *raw) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(e fuse.DirEntry, n *node) bool {
		entry := out.AddDirLookupEntry(e)
		if entry != nil && n != nil {
			f.entry(n, entry)
		}
		return entry != nil
	})
}

// list calls add for each entry after the offset in.Offset, until it returns
// false. The offset of an entry is its node id, and entries come in the order of
// their ids: so a position stays right when names come and go, and an open
// directory has no state. n is nil for "." and "..", of which the kernel wants
// no attributes.
func (f *FS) list(in *fuse.ReadIn, add func(e fuse.DirEntry, n *node) bool) fuse.Status {
	f.mu.RLock()
	defer f.mu.RUnlock()
	dir := f.nodes[in.NodeId]
	if dir == nil {
		return errStale
	}
	for i, name := range []string{".", ".."} {
		off := uint64(i + 1) // below every node id
		if off > in.Offset && !add(fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR, Off: off}, nil) {
			return fuse.OK
		}
	}
	for _, n := range dir.after(in.Offset) {
		if !add(fuse.DirEntry{Name: n.name(), Ino: n.id, Mode: f.mode(n), Off: n.id}, n) {
			break
		}
	}
	return fuse.OK
}

func (f *raw) Readlink(_ <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	n := f.node(in.NodeId)
	switch {
	case n == nil:
		return nil, errStale
	case n.target == "":
		return nil, fuse.Status(syscall.EINVAL)
	}
	return []byte(n.target), fuse.OK
}
