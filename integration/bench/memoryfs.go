package main

import (
	"io"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	memoryName = "file"
	memoryNode = 2
	// memoryBytes is how much memory there is behind a file of any size, whose
	// offsets wrap: what is measured is the way there.
	memoryBytes = 256 * mib
	// maxRequest is the most that one request carries, as in fusefs/settings.go.
	maxRequest = 256 * kib
)

// memoryFS is one file in memory behind go-fuse, with nothing around it: no
// file system of go-fuse in Go can be faster.
type memoryFS struct {
	fuse.RawFileSystem
	size   int64
	memory []byte // memoryBytes, and a request more, so that none has to wrap
}

// serveMemory mounts a file of size bytes at a directory, and serves it until
// lifeline ends.
func serveMemory(point string, size int64, lifeline io.Reader) error {
	f := &memoryFS{fuse.NewDefaultRawFileSystem(), size, make([]byte, memoryBytes+maxRequest)}
	for i := 0; i < len(f.memory); i += os.Getpagesize() {
		f.memory[i] = 1 // there from the start, as a cache that is full
	}
	server, err := fuse.NewServer(f, point, memorySettings())
	if err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { // ends with the mount
		server.Serve()
		close(done)
	}()
	io.Copy(io.Discard, lifeline)
	if err := server.Unmount(); err != nil {
		return err
	}
	<-done
	return nil
}

// memorySettings are those of fusefs/settings.go that matter for speed.
func memorySettings() *fuse.MountOptions {
	return &fuse.MountOptions{
		Name:              "iscsifs-bench",
		FsName:            "memory",
		Options:           []string{"default_permissions"},
		MaxWrite:          maxRequest,
		MaxBackground:     65535,
		DisableSplice:     true,
		DirectMountStrict: true,
		ExtraCapabilities: fuse.CAP_ASYNC_DIO | fuse.CAP_DIRECT_IO_ALLOW_MMAP | fuse.CAP_ATOMIC_O_TRUNC,
	}
}

func (f *memoryFS) attr(node uint64, a *fuse.Attr) {
	a.Ino, a.Mode, a.Nlink = node, syscall.S_IFDIR|0o700, 2
	if node == memoryNode {
		a.Mode, a.Nlink, a.Size = syscall.S_IFREG|0o600, 1, uint64(f.size)
	}
}

func (f *memoryFS) Lookup(_ <-chan struct{}, _ *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if name != memoryName {
		return fuse.ENOENT
	}
	out.NodeId = memoryNode
	f.attr(memoryNode, &out.Attr)
	return fuse.OK
}

func (f *memoryFS) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.attr(in.NodeId, &out.Attr)
	return fuse.OK
}

func (f *memoryFS) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES
	return fuse.OK
}

func (f *memoryFS) Read(_ <-chan struct{}, in *fuse.ReadIn, _ []byte) (fuse.ReadResult, fuse.Status) {
	n := max(min(int64(in.Size), f.size-int64(in.Offset)), 0)
	return fuse.ReadResultData(f.at(in.Offset, n)), fuse.OK
}

// Writev makes go-fuse call Write.
func (f *memoryFS) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (f *memoryFS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	copy(f.at(in.Offset, int64(len(data))), data)
	return uint32(len(data)), fuse.OK
}

// at is the memory behind n bytes from an offset on.
func (f *memoryFS) at(offset uint64, n int64) []byte {
	start := int64(offset % memoryBytes)
	return f.memory[start : start+n]
}

// StatFs is asked by who looks whether the mount is there.
func (f *memoryFS) StatFs(<-chan struct{}, *fuse.InHeader, *fuse.StatfsOut) fuse.Status {
	return fuse.OK
}

// Fsync and Flush have nothing to do, but are asked, as a disk's must be.
func (f *memoryFS) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }
func (f *memoryFS) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }
