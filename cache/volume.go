package cache

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Mode says what a Volume keeps in memory.
type Mode uint8

const (
	// Writeback answers a write when it is in memory.
	Writeback Mode = iota
	// Writethrough answers a write when the target has answered GOOD.
	Writethrough
	// None is Writethrough, and forgets what was read when it is released, and
	// what was written when it is synchronized.
	None
)

// VolumeOptions are the settings of a Volume.
type VolumeOptions struct {
	Mode Mode
	// DirtyLimit bounds in bytes what the target may lack: writers wait above
	// it. 0 = half of the Cache; at most three quarters of it are used.
	DirtyLimit int64
	// FlushInterval: the write-back of a byte starts no later than this after
	// it was written. 0 = 5 s.
	FlushInterval time.Duration
	// ReadAhead bounds in bytes what is read ahead of one sequential reader.
	// 0 = nothing is.
	ReadAhead int
	// MaxAge: clean data older than this is fetched again. 0 = never.
	MaxAge time.Duration
	// HoldLate, when not nil, tells of an error of a write-back whether the
	// disk was away for so long that another host may own it by now. What is
	// dirty then is held back until Volume.WriteLate.
	HoldLate func(error) bool
	// Refuse, when not nil, tells why the disk may not be written at present, nil
	// that it may. New writes end with its error; what is dirty stays so. It is
	// not to wait.
	Refuse func() error
	// Identity is a hash of the logical unit's designator (VPD page 83h). It
	// tells who takes the memory over which disk a frame belongs to.
	Identity uint64
	Logger   zerolog.Logger // the zero Logger is silent
}

// Volume is one disk as a sequence of bytes. All its methods may be called
// concurrently.
type Volume struct {
	cache    *Cache
	dev      Device // a measured
	took     measures
	log      zerolog.Logger
	id       uint32 // index in Cache.volumes
	identity uint64
	opts     VolumeOptions
	limit    int // frames: DirtyLimit
	cap      capacity
	modified atomic.Int64 // when the last write ended, in ns since 1970
	closed   atomic.Bool
	stats    counters

	// background is the context of all that no caller waits for; stop ends it,
	// and workers counts the goroutines that use it.
	background context.Context
	stop       context.CancelFunc
	workers    sync.WaitGroup

	// Guarded by Cache.mu:
	counts   [states]int // frames of the index by state
	held     int         // frames: see Volume.hold
	reading  int         // frames that readers have pinned or are fetching
	ahead    int         // frames that are being read ahead
	reads    line        // of readers that wait for reading to fall
	room     line        // of writers that wait for held to fall
	streams  streams
	flush    flush
	epoch    uint64 // of the Device when what is written was sent
	back     writeback
	pace     pace
	sync     syncState
	erased   erasures
	changes  uint64 // of what is allocated, as far as they come from here
	asked    allocation
	barriers []*barrier
	late     bool // dirty data is held back, see VolumeOptions.HoldLate
	// ended is set when nothing of v is in the index any more and its number
	// may be another's: who has waited looks at it before all else.
	ended bool
}

// Open returns the Volume of dev. The caller keeps dev and closes it after the
// Volume.
func (c *Cache) Open(dev Device, opts VolumeOptions) (*Volume, error) {
	if b := dev.BlockSize(); b < sectorSize || b > frameSize {
		return nil, fmt.Errorf("cache a disk with blocks of %d bytes: only 512 to %d can be", b, frameSize)
	}
	v := &Volume{cache: c, log: opts.Logger, identity: opts.Identity, opts: opts}
	v.dev = measured{dev, &v.took}
	v.opts.setDefaults(c)
	v.limit = int(v.opts.DirtyLimit >> frameBits)
	v.modified.Store(time.Now().UnixNano())
	v.background, v.stop = context.WithCancel(context.Background())
	v.flush.syncNo = 1
	v.back.init(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	v.epoch = dev.Epoch()
	v.cap.device.Store(dev.Size())
	v.takeOver(v.cap.device.Load())
	c.register(v)
	return v, nil
}

func (o *VolumeOptions) setDefaults(c *Cache) {
	if o.DirtyLimit <= 0 {
		o.DirtyLimit = c.Size() / 2
	}
	o.DirtyLimit = min(o.DirtyLimit, c.Size()/4*3)
	if o.FlushInterval <= 0 {
		o.FlushInterval = 5 * time.Second
	}
	if o.Mode == None {
		o.ReadAhead = 0
		o.MaxAge = time.Millisecond // what was fetched for a reader that gave up
	}
	o.ReadAhead = min(o.ReadAhead, int(c.Size()/16))
}

// register gives v a number.
func (c *Cache) register(v *Volume) {
	c.open++
	for i, other := range c.volumes {
		if other == nil {
			v.id, c.volumes[i] = uint32(i), v
			return
		}
	}
	v.id = uint32(len(c.volumes))
	c.volumes = append(c.volumes, v)
}

// BlockSize is the length of a logical block in bytes.
func (v *Volume) BlockSize() int { return v.dev.BlockSize() }

// OptimalTransfer is the length in bytes that the target likes best; 0 = not
// known.
func (v *Volume) OptimalTransfer() int { return v.dev.OptimalTransfer() }

// UnmapGranularity is the length in bytes in which the target frees; 0 = not known.
func (v *Volume) UnmapGranularity() int { return v.dev.UnmapGranularity() }

// ReadOnly tells whether writes are refused.
func (v *Volume) ReadOnly() bool { return v.dev.ReadOnly() }

// ModTime is when the last write ended; before the first write, when the
// Volume was made.
func (v *Volume) ModTime() time.Time { return time.Unix(0, v.modified.Load()) }

// Close writes back and synchronizes what was written and ends the Volume's
// use: reads and writes that come after it fail with [ErrClosed]. The error is
// that of the last Sync; the Volume is closed in any case, and what could not
// be written is lost. [Volume.Stats] shows how much is left meanwhile. What was
// read may be released later.
func (v *Volume) Close(ctx context.Context) error {
	if v.closed.Swap(true) {
		return nil
	}
	err := v.Sync(ctx)
	c := v.cache
	c.mu.Lock()
	v.back.ended = true // no worker is started any more
	c.mu.Unlock()
	v.stop()
	v.workers.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	v.ended = true
	v.erased = erasures{}
	v.back.timer.Stop()
	v.dropAll()
	c.volumes[v.id] = nil
	c.open--
	v.reads.wake() // one of them wakes the next
	v.room.wake()
	return err
}

// dropAll empties the index of what belongs to v.
func (v *Volume) dropAll() {
	c := v.cache
	for id := range c.frames {
		if f := &c.frames[id]; f.volume == v.id && f.state > detached {
			c.drop(frameID(id))
		}
	}
}
