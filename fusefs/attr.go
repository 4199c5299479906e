package fusefs

import (
	"io/fs"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// attr fills in the attributes of n. They are asked for anew each time: out
// goes with a validity of 0, so that a resized LUN shows at once.
func (f *FS) attr(n *node, out *fuse.Attr) {
	made := f.made
	out.Ino = n.id
	out.Owner = fuse.Owner{Uid: f.opts.UID, Gid: f.opts.GID}
	out.Mode = f.mode(n)
	out.Nlink = 1
	switch {
	case n.file != nil:
		made = n.file.lun.ModTime()
		out.Size = uint64(n.file.lun.Size())
		out.Blocks = out.Size / 512
		out.Blksize = preferredSize(n.file.lun)
	case n.children != nil:
		out.Nlink = 2
	default:
		out.Size = uint64(len(n.target))
	}
	out.SetTimes(&made, &made, &made)
}

// mode is the type of n and its permission bits.
func (f *FS) mode(n *node) uint32 {
	perm := uint32(f.opts.Mode)
	switch {
	case n.file != nil:
		return syscall.S_IFREG | perm
	case n.children != nil:
		// Who may read the files may pass through the directories.
		return syscall.S_IFDIR | perm | perm&0o444>>2
	default:
		return syscall.S_IFLNK | uint32(fs.ModePerm)
	}
}

// preferredSize is st_blksize of a LUN: the larger of its block size and its
// optimal transfer, at most 1 MiB.
func preferredSize(lun LUN) uint32 {
	return uint32(min(max(lun.BlockSize(), lun.OptimalTransfer()), 1<<20))
}
