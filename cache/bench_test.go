package cache

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// memoryDisk is a Device that costs nothing but the copy, or less.
type memoryDisk struct {
	size  int64
	delay time.Duration
	copy  []byte
}

func (d *memoryDisk) ReadvAt(_ context.Context, bufs [][]byte, off int64) error {
	if d.delay > 0 {
		time.Sleep(d.delay)
	}
	for _, b := range bufs {
		for len(b) > 0 && d.copy != nil {
			b = b[copy(b, d.copy):]
		}
	}
	return nil
}
func (d *memoryDisk) WritevAt(ctx context.Context, bufs [][]byte, off int64) error { return nil }
func (d *memoryDisk) Sync(context.Context) error                                   { return nil }
func (d *memoryDisk) Epoch() uint64                                                { return 0 }
func (d *memoryDisk) Size() int64                                                  { return d.size }
func (d *memoryDisk) BlockSize() int                                               { return 512 }
func (d *memoryDisk) OptimalTransfer() int                                         { return 0 }
func (d *memoryDisk) UnmapGranularity() int                                        { return 0 }
func (d *memoryDisk) MaxTransfer() int                                             { return 0 }
func (d *memoryDisk) Thin() bool                                                   { return false }
func (d *memoryDisk) Zero(ctx context.Context, off, n int64) error                 { return nil }
func (d *memoryDisk) Deallocate(ctx context.Context, off, n int64) error           { return nil }
func (d *memoryDisk) Allocation(ctx context.Context, off int64) (int64, bool, error) {
	return d.size - off, false, nil
}
func (d *memoryDisk) ReadOnly() bool { return false }

func benchVolume(b *testing.B, d *memoryDisk) *Volume {
	v := openOn(b, newCache(b, 256<<20), d, VolumeOptions{ReadAhead: 8 << 20})
	b.ReportAllocs()
	return v
}

func benchRead(b *testing.B, v *Volume, n int, next func() int64) {
	vec := make([][]byte, 0, 300)
	b.SetBytes(int64(n))
	for b.Loop() {
		got, err := v.Read(b.Context(), next(), n, vec)
		if err != nil {
			b.Fatal(err)
		}
		v.Release(got)
	}
}

func BenchmarkReadHit4K(b *testing.B) {
	v := benchVolume(b, &memoryDisk{size: 64 << 20})
	benchRead(b, v, 4096, func() int64 { return rand.Int64N(16384) << 12 })
}

func BenchmarkReadHit4KParallel(b *testing.B) {
	v := benchVolume(b, &memoryDisk{size: 64 << 20})
	b.RunParallel(func(pb *testing.PB) {
		vec := make([][]byte, 0, 300)
		for pb.Next() {
			got, err := v.Read(context.Background(), rand.Int64N(16384)<<12, 4096, vec)
			if err != nil {
				b.Fatal(err)
			}
			v.Release(got)
		}
	})
}

func BenchmarkReadHit256K(b *testing.B) {
	v := benchVolume(b, &memoryDisk{size: 64 << 20})
	benchRead(b, v, 256<<10, func() int64 { return rand.Int64N(256) << 18 })
}

func BenchmarkReadMiss4K(b *testing.B) {
	v := benchVolume(b, &memoryDisk{size: 64 << 30})
	benchRead(b, v, 4096, func() int64 { return rand.Int64N(16<<20) << 12 })
}

func BenchmarkReadSequential128K(b *testing.B) {
	v := benchVolume(b, &memoryDisk{size: 64 << 40})
	at := int64(0)
	benchRead(b, v, 128<<10, func() int64 { at += 128 << 10; return at })
}

func BenchmarkReadSequential128KLatency10ms(b *testing.B) {
	v := benchVolume(b, &memoryDisk{size: 64 << 40, delay: 10 * time.Millisecond})
	at := int64(0)
	benchRead(b, v, 128<<10, func() int64 { at += 128 << 10; return at })
}

func benchWrite(b *testing.B, n int, next func() int64) *Volume {
	v := benchVolume(b, &memoryDisk{size: 64 << 30})
	p := make([]byte, n)
	b.SetBytes(int64(n))
	for b.Loop() {
		if _, err := v.WriteAt(b.Context(), p, next()); err != nil {
			b.Fatal(err)
		}
	}
	return v
}

func BenchmarkWriteHit4K(b *testing.B) {
	benchWrite(b, 4096, func() int64 { return rand.Int64N(1024) << 12 })
}

func BenchmarkWriteRandom4KFits(b *testing.B) {
	benchWrite(b, 4096, func() int64 { return rand.Int64N(30000) << 12 })
}

func BenchmarkWriteRandom4K(b *testing.B) {
	benchWrite(b, 4096, func() int64 { return rand.Int64N(1<<20) << 12 })
}

func BenchmarkWriteSequential4K(b *testing.B) {
	at := int64(0)
	benchWrite(b, 4096, func() int64 { at = (at + 4096) % (32 << 30); return at })
}

func BenchmarkWriteSequential256K(b *testing.B) {
	at := int64(0)
	benchWrite(b, 256<<10, func() int64 { at = (at + 256<<10) % (32 << 30); return at })
}

func BenchmarkWriteSync4K(b *testing.B) {
	v := benchVolume(b, &memoryDisk{size: 64 << 30})
	p := make([]byte, 4096)
	for b.Loop() {
		if _, err := v.WriteAt(b.Context(), p, rand.Int64N(1<<20)<<12); err != nil {
			b.Fatal(err)
		}
		if err := v.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
