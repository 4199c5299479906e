package fusefs

import (
	"bytes"
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// memLUN is a LUN in memory whose writes, once gate is set, wait for it to be
// closed.
type memLUN struct {
	readOnly    bool
	thin        bool         // it can have holes
	protected   atomic.Bool  // since it is open
	heedless    atomic.Bool  // contexts do not end its calls
	asked       atomic.Int64 // for extents
	syncs       atomic.Int64
	failures    atomic.Uint64
	granularity atomic.Int64
	released    atomic.Int64 // slices handed out and not given back
	waiting     atomic.Int64 // calls that wait for the gate

	mu       sync.Mutex
	data     []byte
	punched  int64 // bytes
	unsynced bool
	written  time.Time
	gate     chan struct{}
	err      error // of every call while it is not nil
}

func newMemLUN(size int, fill byte) *memLUN {
	l := &memLUN{data: make([]byte, size), written: time.Unix(1e9, 5)}
	for i := range l.data {
		l.data[i] = fill
	}
	return l
}

func (l *memLUN) BlockSize() int        { return 512 }
func (l *memLUN) OptimalTransfer() int  { return 64 << 10 }
func (l *memLUN) UnmapGranularity() int { return int(l.granularity.Load()) }
func (l *memLUN) ReadOnly() bool        { return l.readOnly || l.protected.Load() }
func (l *memLUN) Failures() uint64      { return l.failures.Load() }
func (l *memLUN) Size() int64           { l.mu.Lock(); defer l.mu.Unlock(); return int64(len(l.data)) }
func (l *memLUN) ModTime() time.Time    { l.mu.Lock(); defer l.mu.Unlock(); return l.written }
func (l *memLUN) Unsynced() bool        { l.mu.Lock(); defer l.mu.Unlock(); return l.unsynced }

// close shuts the gate; the returned function opens it.
func (l *memLUN) close() (open func()) {
	gate := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gate = gate
	return sync.OnceFunc(func() {
		l.mu.Lock()
		l.gate = nil
		l.mu.Unlock()
		close(gate)
	})
}

func (l *memLUN) fail(err error) { l.mu.Lock(); defer l.mu.Unlock(); l.err = err }

// pass waits for the gate.
func (l *memLUN) pass(ctx context.Context) error {
	l.mu.Lock()
	gate, err := l.gate, l.err
	l.mu.Unlock()
	if gate == nil || err != nil {
		return err
	}
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	if l.heedless.Load() {
		ctx = context.Background()
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *memLUN) Read(ctx context.Context, off int64, n int, vec [][]byte) ([][]byte, error) {
	if err := l.pass(ctx); err != nil {
		return vec, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if off >= int64(len(l.data)) { // nothing, but to be released all the same
		l.released.Add(1)
		return append(vec, nil), nil
	}
	part := append([]byte(nil), l.data[off:min(int64(len(l.data)), off+int64(n))]...)
	half := len(part) / 2 // two slices, so that a vector is tried
	l.released.Add(2)
	return append(vec, part[:half], part[half:]), nil
}

func (l *memLUN) Release(vec [][]byte) {
	l.released.Add(-int64(len(vec)))
	for _, part := range vec {
		clear(part) // who still sends it sends zeroes
	}
}

func (l *memLUN) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := l.pass(ctx); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsynced, l.written = true, time.Now()
	return copy(l.data[off:], p), nil
}

func (l *memLUN) Zero(ctx context.Context, off, n int64) error {
	_, err := l.WriteAt(ctx, make([]byte, n), off)
	return err
}

func (l *memLUN) Punch(ctx context.Context, off, n int64) error {
	if !l.thin {
		return &os.PathError{Op: "punch", Err: unix.EOPNOTSUPP}
	}
	if err := l.Zero(ctx, off, n); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.punched += n
	return nil
}

func (l *memLUN) Thin() bool { return l.thin }

// Allocation tells no more than one extent of extent bytes at a time; a hole is what is
// full of zeroes.
func (l *memLUN) Allocation(ctx context.Context, off int64) (int64, bool, error) {
	if err := l.pass(ctx); err != nil {
		return 0, false, err
	}
	l.asked.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.thin {
		return int64(len(l.data)) - off, false, nil
	}
	n := min(extent-off%extent, int64(len(l.data))-off)
	return n, bytes.Count(l.data[off-off%extent:off+n], []byte{0}) == int(off%extent+n), nil
}

// extent is the unit in which a thin memLUN has holes.
const extent = 512

func (l *memLUN) Sync(ctx context.Context) error {
	l.syncs.Add(1)
	if err := l.pass(ctx); err != nil {
		if ctx.Err() == nil {
			l.failures.Add(1)
		}
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsynced = false
	return nil
}

func (l *memLUN) resize(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data = append(l.data, make([]byte, max(0, size-len(l.data)))...)[:size]
}

func (l *memLUN) content() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]byte(nil), l.data...)
}
