package fusefs

import (
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// maxWrite is the most that one request carries, in bytes. go-fuse keeps a
// buffer of that size for each WRITE in flight, so it bounds what writers to a
// LUN that does not answer can hold.
const maxWrite = 256 << 10

// settings are the options of go-fuse, with the reasons.
func settings(f *FS, source string, allowOther bool) *fuse.MountOptions {
	o := &fuse.MountOptions{
		Name:       "iscsifs", // mountinfo shows the type fuse.iscsifs
		FsName:     source,
		AllowOther: allowOther,
		Options:    []string{"default_permissions"}, // else the kernel checks no mode bits
		MaxWrite:   maxWrite,
		// One limit for all files of the mount: a LUN that does not
		// answer must not use it up for the others.
		MaxBackground: 65535,
		// Splicing costs system calls and gains nothing where data comes from memory.
		DisableSplice: true,
		// Root mounts by itself, and then sees why it fails.
		DirectMountStrict: os.Geteuid() == 0,
		ExtraCapabilities: fuse.CAP_ASYNC_DIO | // else a loop device has one request in flight
			fuse.CAP_DIRECT_IO_ALLOW_MMAP | // shared mmap of files opened with FOPEN_DIRECT_IO
			fuse.CAP_ATOMIC_O_TRUNC, // else O_TRUNC arrives as a truncate to 0
		Logger: goFuseLog(f.log),
	}
	if f.opts.ReadOnly {
		o.Options = append(o.Options, "ro")
	}
	if f.opts.ReadOnly && o.DirectMountStrict {
		o.Options = o.Options[:1]
		o.DirectMountFlags = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_RDONLY
	}
	return o
}
