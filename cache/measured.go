package cache

import (
	"context"
	"time"
)

// Latencies are how long a Device took for what it was asked, in ns, whether it
// succeeded or not, and how much one write-back carried, in bytes.
type Latencies struct {
	Reads, Writes, Flushes Histogram
	Zeroes, Discards       Histogram
	WriteSizes             Histogram
}

// measures are what Latencies shows.
type measures struct{ reads, writes, flushes, zeroes, discards, sizes histogram }

// measured is a Device whose work is timed. An access that is found in memory does
// not come here, and costs nothing.
type measured struct {
	Device
	*measures
}

func (m measured) ReadvAt(ctx context.Context, bufs [][]byte, off int64) error {
	began := time.Now()
	err := m.Device.ReadvAt(ctx, bufs, off)
	m.reads.add(latencyBounds, int64(time.Since(began)))
	return err
}

func (m measured) WritevAt(ctx context.Context, bufs [][]byte, off int64) error {
	n := 0
	for _, b := range bufs {
		n += len(b)
	}
	m.sizes.add(sizeBounds, int64(n))
	began := time.Now()
	err := m.Device.WritevAt(ctx, bufs, off)
	m.writes.add(latencyBounds, int64(time.Since(began)))
	return err
}

func (m measured) Sync(ctx context.Context) error {
	began := time.Now()
	err := m.Device.Sync(ctx)
	m.flushes.add(latencyBounds, int64(time.Since(began)))
	return err
}

func (m measured) Zero(ctx context.Context, off, n int64) error {
	began := time.Now()
	err := m.Device.Zero(ctx, off, n)
	m.zeroes.add(latencyBounds, int64(time.Since(began)))
	return err
}

func (m measured) Deallocate(ctx context.Context, off, n int64) error {
	began := time.Now()
	err := m.Device.Deallocate(ctx, off, n)
	m.discards.add(latencyBounds, int64(time.Since(began)))
	return err
}

// Latencies returns how the Device has done since the Volume was made.
func (v *Volume) Latencies() Latencies {
	m := &v.took
	return Latencies{
		Reads:      m.reads.snapshot(latencyBounds),
		Writes:     m.writes.snapshot(latencyBounds),
		Flushes:    m.flushes.snapshot(latencyBounds),
		Zeroes:     m.zeroes.snapshot(latencyBounds),
		Discards:   m.discards.snapshot(latencyBounds),
		WriteSizes: m.sizes.snapshot(sizeBounds),
	}
}
