//go:build !race

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/fusefs"
)

// TestMountedHitAllocations: a read or a write that the cache answers allocates no
// more than go-fuse does by itself for a file in memory. It is left out under the
// race detector, which makes pools forget on purpose.
func TestMountedHitAllocations(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root mounts")
	}
	bare, cached := mountBare(t), mountCached(t)
	for name, do := range map[string]func(*os.File, []byte) (int, error){
		"read":  func(f *os.File, p []byte) (int, error) { return f.ReadAt(p, 0) },
		"write": func(f *os.File, p []byte) (int, error) { return f.WriteAt(p, 0) },
	} {
		for _, n := range []int{4 * kib, 128 * kib} {
			base, ours := allocations(t, bare, n, do), allocations(t, cached, n, do)
			t.Logf("%s of %d KiB: %.2f allocations, %.2f of go-fuse's own", name, n/kib, ours, base)
			if ours > base+0.5 { // what the runtime and timers do by the way
				t.Errorf("%s of %d KiB: %.2f allocations, and %.2f of a file in memory", name, n/kib, ours, base)
			}
		}
	}
}

// allocations is how many one request takes, of n bytes at the start of a file.
func allocations(t *testing.T, path string, n int, do func(*os.File, []byte) (int, error)) float64 {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, n)
	const times = 2000
	var before, after runtime.MemStats
	for i := range times + 100 {
		if i == 100 { // pools and tables have what they need
			runtime.ReadMemStats(&before)
		}
		if _, err := do(f, p); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / times
}

// mountBare mounts the file in memory that the benchmark compares with.
func mountBare(t *testing.T) string {
	point, done := t.TempDir(), make(chan error, 1)
	lifeline, end := io.Pipe()
	go func() { done <- serveMemory(point, mib, lifeline) }()
	t.Cleanup(func() {
		end.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(point, memoryName)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return path
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// mountCached mounts a disk in memory behind the cache.
func mountCached(t *testing.T) string {
	memory, err := cache.New(cache.Options{Size: 16 * mib})
	if err != nil {
		t.Fatal(err)
	}
	volume, err := memory.Open(make(ramDisk, mib), cache.VolumeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	files := fusefs.New(fusefs.Options{Mode: 0o600})
	if err := files.AddLUN("", "lun0", volume, nil); err != nil {
		t.Fatal(err)
	}
	server, err := fusefs.Mount(files, t.TempDir(), fusefs.MountOptions{Source: "bench"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, end := range []func() error{server.Unmount, func() error { return volume.Close(context.Background()) }, memory.Close} {
			if err := end(); err != nil {
				t.Error(err)
			}
		}
	})
	return filepath.Join(server.Point(), "lun0")
}

// ramDisk is a disk in memory, without a mistake.
type ramDisk []byte

func (d ramDisk) ReadvAt(_ context.Context, bufs [][]byte, off int64) error {
	for _, b := range bufs {
		off += int64(copy(b, d[off:]))
	}
	return nil
}

func (d ramDisk) WritevAt(_ context.Context, bufs [][]byte, off int64) error {
	for _, b := range bufs {
		off += int64(copy(d[off:], b))
	}
	return nil
}

func (d ramDisk) Zero(_ context.Context, off, n int64) error {
	clear(d[off : off+n])
	return nil
}

func (d ramDisk) Deallocate(ctx context.Context, off, n int64) error { return d.Zero(ctx, off, n) }

func (d ramDisk) Allocation(_ context.Context, off int64) (int64, bool, error) {
	return d.Size() - off, false, nil
}

func (d ramDisk) Thin() bool                 { return false }
func (d ramDisk) Sync(context.Context) error { return nil }
func (d ramDisk) Epoch() uint64              { return 0 }
func (d ramDisk) Size() int64                { return int64(len(d)) }
func (d ramDisk) BlockSize() int             { return 512 }
func (d ramDisk) OptimalTransfer() int       { return 0 }
func (d ramDisk) UnmapGranularity() int      { return 0 }
func (d ramDisk) MaxTransfer() int           { return 0 }
func (d ramDisk) ReadOnly() bool             { return false }
