package target

import "slices"

// Ignored is what a LUN leaves undone of an UNMAP, which a target may (SBC-3,
// Section 4.7.3.3).
type Ignored int

// What of an UNMAP is ignored.
const (
	IgnoreNothing Ignored = iota
	IgnoreEdges           // granules of UnmapGranularity that are not named as a whole
	IgnoreOdd             // every second granule, too
	IgnoreAll
)

// Ignoring makes the LUN ignore a part of each UNMAP.
func Ignoring(what Ignored) Option { return func(l *LUN) { l.Ignores = what } }

// FreedBy sets the commands that a thin LUN announces, and takes, to deallocate
// blocks: OpUnmap, OpWriteSame10, OpWriteSame16. Without it they are all three.
func FreedBy(opcodes ...byte) Option {
	return func(l *LUN) { l.Frees = append([]byte{}, opcodes...) }
}

// Unknown makes commands unknown to the LUN: 05/20.
func Unknown(opcodes ...byte) Option { return func(l *LUN) { l.UnknownOpcodes = opcodes } }

// WithoutLBAStatus makes GET LBA STATUS an unknown command.
func WithoutLBAStatus() Option { return func(l *LUN) { l.NoLBAStatus = true } }

// WithoutNDOB refuses a WRITE SAME (16) with NDOB: 05/24.
func WithoutNDOB() Option { return func(l *LUN) { l.NDOB = refuseNDOB } }

// OverlookingNDOB takes NDOB for a reserved bit: as no data comes, something is
// written that is not zero.
func OverlookingNDOB() Option { return func(l *LUN) { l.NDOB = overlookNDOB } }

// NDOBMode is what becomes of the NDOB bit.
type NDOBMode int

const (
	heedNDOB NDOBMode = iota
	refuseNDOB
	overlookNDOB
)

// freedBy tells whether a command may deallocate blocks.
func (l *LUN) freedBy(opcode byte) bool {
	return l.Thin && (l.Frees == nil || slices.Contains(l.Frees, opcode))
}

// granule returns the unit of allocation in blocks and the first block of one.
func (b *BlockLimits) granule() (blocks, start uint64) {
	blocks = max(uint64(b.UnmapGranularity), 1)
	return blocks, uint64(b.UnmapAlignment) % blocks
}

// heeded returns the parts of a run that an UNMAP deallocates.
func (l *LUN) heeded(p place) []place {
	switch l.Ignores {
	case IgnoreNothing:
		return []place{p}
	case IgnoreAll:
		return nil
	}
	var parts []place
	size, start := l.Limits.granule()
	for lba := p.lba + (size+start-p.lba%size)%size; lba+size <= p.lba+p.blocks; lba += size {
		if l.Ignores == IgnoreOdd && lba/size%2 == 1 {
			continue
		}
		parts = append(parts, place{lba, size})
	}
	return parts
}

// SetPool gives the LUN a pool of limited size, in bytes, to allocate from: a write
// that needs more ends with 07/27/07, SPACE ALLOCATION FAILED WRITE PROTECT, and
// writes nothing. When the allocation reaches soft, every I_T nexus gets the unit
// attention 38/07, THIN PROVISIONING SOFT THRESHOLD REACHED (SBC-3, Section
// 4.7.3.7). 0: no limit, no threshold.
func (l *LUN) SetPool(size, soft int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.poolSize, l.poolSoft = size, soft
}

// Allocated returns how many bytes of the medium are allocated.
func (l *LUN) Allocated() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.medium.allocated(0, l.medium.size())
}

// store writes what a command writes, if the pool has room. Requires l.mu.
func (l *LUN) store(off, n int64, write func() error) *result {
	limited := l.poolSize > 0 || l.poolSoft > 0
	var before int64
	if limited {
		before = l.medium.allocated(0, l.medium.size())
		missing := n - l.medium.allocated(off, n)
		if l.poolSize > 0 && missing > 0 && before+missing > l.poolSize {
			return checkCondition(senseDataProtect, ascSpaceAllocationFailed)
		}
	}
	if err := write(); err != nil {
		return checkCondition(senseMedium, ascWriteError)
	}
	if limited && l.poolSoft > 0 && before < l.poolSoft && l.medium.allocated(0, l.medium.size()) >= l.poolSoft {
		l.alarm(ascSoftThreshold)
	}
	return good(nil)
}

// allocated counts the bytes of a range that are allocated.
func (v *volatile) allocated(off, n int64) (sum int64) {
	for end := off + n; off < end; {
		mapped, run := v.mapped(off, end-off)
		if mapped {
			sum += run
		}
		off += run
	}
	return sum
}
