package fusefs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// What a directory of disks does not let anyone do: names come and go with the
// LUNs, and nothing is ever deleted by accident.

// refusal is the answer to a change of the tree.
func (f *FS) refusal() fuse.Status {
	if f.opts.ReadOnly {
		return fuse.EROFS
	}
	return fuse.EPERM
}

func (f *raw) Mknod(<-chan struct{}, *fuse.MknodIn, string, *fuse.EntryOut) fuse.Status {
	return f.refusal()
}

func (f *raw) Mkdir(<-chan struct{}, *fuse.MkdirIn, string, *fuse.EntryOut) fuse.Status {
	return f.refusal()
}

func (f *raw) Unlink(<-chan struct{}, *fuse.InHeader, string) fuse.Status { return f.refusal() }

func (f *raw) Rmdir(<-chan struct{}, *fuse.InHeader, string) fuse.Status { return f.refusal() }

func (f *raw) Rename(<-chan struct{}, *fuse.RenameIn, string, string) fuse.Status {
	return f.refusal()
}

func (f *raw) Link(<-chan struct{}, *fuse.LinkIn, string, *fuse.EntryOut) fuse.Status {
	return f.refusal()
}

func (f *raw) Symlink(<-chan struct{}, *fuse.InHeader, string, string, *fuse.EntryOut) fuse.Status {
	return f.refusal()
}

func (f *raw) Create(<-chan struct{}, *fuse.CreateIn, string, *fuse.CreateOut) fuse.Status {
	return f.refusal()
}

func (f *raw) Tmpfile(<-chan struct{}, *fuse.CreateIn, *fuse.CreateOut) fuse.Status {
	return f.refusal()
}

// Ioctl knows none: the BLK* requests of block devices do not reach a FUSE file
// system.
func (f *raw) Ioctl(<-chan struct{}, *fuse.IoctlIn, []byte, *fuse.IoctlOut, []byte) fuse.Status {
	return fuse.Status(syscall.ENOTTY)
}

// CopyFileRange leaves copying to the kernel, which reads and writes.
func (f *raw) CopyFileRange(<-chan struct{}, *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

// Locks are not negotiated: the kernel keeps them among the processes of this
// host and never asks.

func (f *raw) GetLk(<-chan struct{}, *fuse.LkIn, *fuse.LkOut) fuse.Status { return fuse.ENOTSUP }

func (f *raw) SetLk(<-chan struct{}, *fuse.LkIn) fuse.Status { return fuse.ENOTSUP }

func (f *raw) SetLkw(<-chan struct{}, *fuse.LkIn) fuse.Status { return fuse.ENOTSUP }
