package fusefs

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// staticLUN hands out its memory as it is, so that what is measured is FUSE.
type staticLUN struct {
	*memLUN
	memory []byte
}

func (l staticLUN) Read(_ context.Context, off int64, n int, vec [][]byte) ([][]byte, error) {
	return append(vec, l.memory[off:off+int64(n)]), nil
}

func (l staticLUN) Release([][]byte) {}

func (l staticLUN) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	return copy(l.memory[off:], p), nil
}

// BenchmarkFile reads and writes in one thread, with requests of a size.
func BenchmarkFile(b *testing.B) {
	const size = 64 << 20
	lun := staticLUN{newMemLUN(size, 0), make([]byte, size)}
	f := New(Options{Mode: 0o600})
	if err := f.AddLUN("", "lun0", lun, nil); err != nil {
		b.Fatal(err)
	}
	server, err := Mount(f, b.TempDir(), MountOptions{Source: "bench"})
	if err != nil {
		b.Skip(err)
	}
	defer server.Unmount()
	fd, err := unix.Open(filepath.Join(server.Point(), "lun0"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	for _, n := range []int{4 << 10, 256 << 10, 1 << 20} {
		for name, do := range map[string]func(int, []byte, int64) (int, error){"read": unix.Pread, "write": unix.Pwrite} {
			b.Run(fmt.Sprintf("%s %dK", name, n>>10), func(b *testing.B) {
				p := make([]byte, n)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for i := range b.N {
					if _, err := do(fd, p, int64(i*n%size)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
