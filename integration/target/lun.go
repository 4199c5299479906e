package target

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// LUN is a direct-access block device. It may be used by several targets. Its
// methods may be called from any goroutine.
type LUN struct {
	LUNAttributes
	number *uint64

	mu     sync.Mutex
	medium *volatile
	// What the medium may allocate, and when to warn, in bytes; 0: no bound.
	poolSize, poolSoft int64
	// Pending unit attentions of each I_T nexus, oldest first.
	nexuses      map[*session][]asc
	tasks        map[*task]struct{} // ready but held before their execution
	reservations reservations
}

// LUNAttributes are what a LUN says about itself. They are set by options and
// do not change while a target runs, but for WriteProtected and Revision, which
// LUN.mu guards.
type LUNAttributes struct {
	BlockSize                         int // bytes
	Vendor, Product, Revision, Serial string
	NAA                               string // 32 or 16 hex digits; "-": no NAA designator
	Thin                              bool   // LBPME, UNMAP, WRITE SAME with UNMAP
	ReadZeroes                        bool   // LBPRZ; without it unmapped blocks read as 0xA5
	WriteProtected                    bool
	WriteCache                        bool // WCE
	DeviceType                        byte
	Limits                            BlockLimits
	Form                              AddressForm
	NoCachingPage                     bool
	NoSynchronize                     bool // SYNCHRONIZE CACHE is not supported
	NoReservations                    bool // PERSISTENT RESERVE IN and OUT are not supported
	NoRegistrantsOnly                 bool // reservations of the types 1h and 3h only
	NoPowerLoss                       bool // APTPL is refused
	NoPreemptAndAbort                 bool // PREEMPT AND ABORT is refused
	SessionNexus                      bool // registrations are a session's, and nobody's after it
	UnknownOpcodes                    []byte
	Frees                             []byte // see FreedBy
	Ignores                           Ignored
	NoLBAStatus                       bool
	NDOB                              NDOBMode
}

// BlockLimits are the fields of VPD page B0h (SBC-3, Section 6.5.3), in blocks
// unless said otherwise; 0: not reported.
type BlockLimits struct {
	OptimalGranularity, MaxTransfer, OptimalTransfer uint32
	MaxUnmap, MaxUnmapDescriptors                    uint32
	UnmapGranularity, UnmapAlignment                 uint32
	MaxWriteSame                                     uint64
	NonZeroWriteSame                                 bool // WSNZ: 0 blocks do not mean "to the end"
}

// NewMemoryLUN returns a LUN in memory, full of zeroes, whose memory grows as
// it is written. size and blockSize are in bytes.
func NewMemoryLUN(size int64, blockSize int, options ...Option) *LUN {
	return newLUN(newMemory(size), blockSize, options)
}

// NewFileLUN returns a LUN in a file, which is opened, or made with that size
// when it does not exist; size 0 takes the size of the file.
func NewFileLUN(path string, size int64, blockSize int, options ...Option) (*LUN, error) {
	f, err := openFile(path, size)
	if err != nil {
		return nil, err
	}
	return newLUN(f, blockSize, options), nil
}

func newLUN(b backing, blockSize int, options []Option) *LUN {
	l := &LUN{
		LUNAttributes: LUNAttributes{
			BlockSize: blockSize,
			Vendor:    "ISCSIFS",
			Product:   "TEST DISK",
			Revision:  "1",
			Limits:    BlockLimits{MaxTransfer: uint32(maxTransfer / 4 / blockSize)},
		},
		nexuses:      map[*session][]asc{},
		tasks:        map[*task]struct{}{},
		reservations: reservations{keys: map[nexus]uint64{}},
	}
	for _, o := range options {
		o(l)
	}
	l.medium = &volatile{backing: b, caching: l.WriteCache}
	return l
}

func (l *LUN) validate() error {
	if l.BlockSize < 512 || l.BlockSize&(l.BlockSize-1) != 0 {
		return fmt.Errorf("block size %d is not a power of two from 512 on", l.BlockSize)
	}
	if size := l.medium.size(); size <= 0 || size%int64(l.BlockSize) != 0 {
		return fmt.Errorf("size %d is not a multiple of the block size %d", size, l.BlockSize)
	}
	return nil
}

// Size returns the capacity in bytes.
func (l *LUN) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.medium.size()
}

// SetSize changes the capacity and tells every I_T nexus with the unit
// attention 2A/09.
func (l *LUN) SetSize(size int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.medium.resize(size); err != nil {
		return err
	}
	l.alarm(ascCapacityChanged)
	return nil
}

// SetWriteProtected changes the write protection and tells every I_T nexus with the
// unit attention 2A/01.
func (l *LUN) SetWriteProtected(protected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.WriteProtected = protected
	l.alarm(ascModeChanged)
}

// SetRevision changes the product revision level and tells every I_T nexus with the
// unit attention 3F/03.
func (l *LUN) SetRevision(revision string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Revision = revision
	l.alarm(ascInquiryChanged)
}

func (l *LUN) attributes() LUNAttributes {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.LUNAttributes
}

// ReadAt reads the medium behind the target's back.
func (l *LUN) ReadAt(p []byte, off int64) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(p), l.medium.read(p, off)
}

// WriteAt writes the medium behind the target's back, durably.
func (l *LUN) WriteAt(p []byte, off int64) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(p), l.medium.write(p, off, true)
}

// PowerCut throws away what was written and not synchronized, if the LUN has a
// write cache, and reservations that were not made to persist (APTPL), and queues
// the unit attention 29/01 for every I_T nexus.
func (l *LUN) PowerCut() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alarm(ascPowerOn)
	l.reservations.powerLost()
	return l.medium.lose()
}

// Close closes the backing file.
func (l *LUN) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.medium.close()
}

// sorted returns the LUNs in order of their numbers.
func (n *node) sorted() []*LUN {
	var all []*LUN
	for _, number := range slices.Sorted(maps.Keys(n.luns)) {
		all = append(all, n.luns[number])
	}
	return all
}

// lun finds the LUN behind the eight bytes of a LUN field.
func (n *node) lun(field [8]byte) *LUN {
	if l := n.luns[decodeAddress(field)]; l != nil && l.answersTo(field) {
		return l
	}
	return nil
}

// enqueue, dequeue and queued keep the tasks that are ready to be executed.
func (l *LUN) enqueue(k *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks[k] = struct{}{}
}

func (l *LUN) dequeue(k *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tasks, k)
}

func (l *LUN) queued() []*task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.tasks))
}
