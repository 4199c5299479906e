package integration

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// heldStore is a file system with one file, in memory, that another process uses as
// its disk. It can hold a write back for as long as a test wants, as a disk that
// retries does, while others pass it.
type heldStore struct {
	fuse.RawFileSystem
	path string // of the file

	mu     sync.Mutex
	memory []byte
	from   int64         // offset of the write to hold; negative: none
	held   chan struct{} // closed when there is one
	gate   chan struct{} // closed by release
	done   chan struct{} // closed when it has been executed
}

const (
	storeName = "disk"
	storeNode = 2
)

// heldStore mounts one of size bytes; the test's end unmounts it.
func (h *host) heldStore(size int64) *heldStore {
	h.t.Helper()
	needRoot(h.t)
	needDevice(h.t, "/dev/fuse")
	point := h.path("store")
	if err := os.Mkdir(point, 0o700); err != nil {
		h.t.Fatal(err)
	}
	s := &heldStore{RawFileSystem: fuse.NewDefaultRawFileSystem(), path: point + "/" + storeName, memory: make([]byte, size), from: -1,
		held: make(chan struct{}), gate: make(chan struct{}), done: make(chan struct{})}
	server, err := fuse.NewServer(s, point, &fuse.MountOptions{
		Name: "held-store", FsName: "memory", DirectMountStrict: true, DisableSplice: true, MaxBackground: 1000,
		ExtraCapabilities: fuse.CAP_ASYNC_DIO, // a held write of libaio holds no lock of the kernel's
	})
	if err != nil {
		h.t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(server.Serve)
	h.t.Cleanup(func() {
		s.release()
		if err := server.Unmount(); err != nil {
			h.t.Error(err)
		}
		served.Wait()
	})
	if err := server.WaitMount(); err != nil {
		h.t.Fatal(err)
	}
	return s
}

// hold makes the next write that begins at off wait for release.
func (s *heldStore) hold(off int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = off
}

func (s *heldStore) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gate:
	default:
		close(s.gate)
	}
}

// at returns what n bytes hold.
func (s *heldStore) at(off, n int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.memory[off:][:n])
}

// Write executes a write, the held one when it is released.
func (s *heldStore) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(in.Offset) == s.from {
		s.from = -1
		close(s.held)
		s.mu.Unlock()
		<-s.gate
		s.mu.Lock()
		defer close(s.done)
	}
	return uint32(copy(s.memory[in.Offset:], data)), fuse.OK
}

// Writev makes go-fuse call Write.
func (s *heldStore) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (s *heldStore) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := copy(buf, s.memory[min(in.Offset, uint64(len(s.memory))):])
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (s *heldStore) Lookup(_ <-chan struct{}, _ *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if name != storeName {
		return fuse.ENOENT
	}
	out.NodeId = storeNode
	s.attr(storeNode, &out.Attr)
	return fuse.OK
}

func (s *heldStore) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	s.attr(in.NodeId, &out.Attr)
	return fuse.OK
}

func (s *heldStore) attr(node uint64, a *fuse.Attr) {
	a.Ino, a.Mode, a.Nlink = node, syscall.S_IFDIR|0o700, 2
	if node == storeNode {
		a.Mode, a.Nlink, a.Size = syscall.S_IFREG|0o600, 1, uint64(len(s.memory))
	}
}

func (s *heldStore) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES
	return fuse.OK
}

func (s *heldStore) StatFs(<-chan struct{}, *fuse.InHeader, *fuse.StatfsOut) fuse.Status {
	return fuse.OK
}
func (s *heldStore) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }
func (s *heldStore) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

// await fails the test where what is to happen does not.
func (h *host) await(what string, c <-chan struct{}) {
	h.t.Helper()
	if !eventually(patience, func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}) {
		h.t.Fatalf("in vain: %s", what)
	}
}

// TestHeldStore: the store does what a test of ghosts builds on: while it holds a
// write of libaio, others to the same block pass, and it undoes them in the end.
func TestHeldStore(t *testing.T) {
	needTools(t, "fio")
	h := newHost(t)
	s := h.heldStore(mib)
	write := fioJob{"--ioengine=libaio", "--direct=1", "--rw=write", "--bs=4k", "--size=4k"}
	s.hold(0)
	first := h.load(append(write, "--buffer_pattern=0x11"), s.path)
	h.await("the held write", s.held)
	h.fio(append(write, "--buffer_pattern=0x22"), s.path)
	if got := s.at(0, 1); got != "\x22" {
		t.Errorf("the block holds %x", got)
	}
	s.release()
	h.await("the held write's end", s.done)
	first.wait()
	if got := s.at(0, 1); got != "\x11" {
		t.Errorf("the block holds %x", got)
	}
}
