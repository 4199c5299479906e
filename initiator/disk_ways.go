package initiator

import (
	"errors"
	"sync/atomic"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// way is a command, in one of its forms, that zeroes blocks, frees them, or tells
// which are free.
type way uint32

const (
	zeroNDOB  way = 1 << iota // WRITE SAME (16) without data
	zero16                    // WRITE SAME (16) with a block of zeroes
	zero10                    // WRITE SAME (10), which does not reach every block
	freeNDOB                  // the same with UNMAP
	free16                    //
	free10                    //
	freeUnmap                 // UNMAP, which the target may ignore in part
	lbaStatus                 // GET LBA STATUS
)

// Ways in the order in which they are tried.
var (
	zeroing = []way{zeroNDOB, zero16, zero10}
	freeing = []way{freeNDOB, free16, free10, freeUnmap}
)

const (
	withoutData = zeroNDOB | freeNDOB
	withUnmap   = freeNDOB | free16 | free10
	tenBytes    = zero10 | free10
)

// ways is what a disk has learned of its target. REPORT SUPPORTED OPERATION CODES
// is missing at many, and does not know bits at others; so ways are tried.
type ways struct {
	refused, proven atomic.Uint32 // sets of way
}

func (w *ways) works(which way) bool { return way(w.proven.Load())&which != 0 }
func (w *ways) refuses(any way) bool { return way(w.refused.Load())&any != 0 }
func (w *ways) accepted(which way)   { w.proven.Or(uint32(which)) }
func (w *ways) setRefused(which way) { w.refused.Or(uint32(which)) }

// forget lets everything be tried again, at a target that says it is another.
func (w *ways) forget() {
	w.refused.Store(0)
	w.proven.Store(0)
}

// readsZeroes tells whether blocks that nothing backs read as zeroes. It is said
// in two places (SBC-3, sections 5.16.2 and 6.6.4), which have to agree.
func (info *DiskInfo) readsZeroes() bool {
	return info.Capacity.LBPME && info.Capacity.LBPRZ && info.Thin.LBPRZ
}

// announces tells whether a way is worth a try by what the target says of itself.
// WRITE SAME without UNMAP is announced nowhere.
func (info *DiskInfo) announces(w way) bool {
	thin, limits := &info.Thin, &info.Limits
	switch w {
	case freeNDOB, free16:
		return info.readsZeroes() && thin.LBPWS
	case free10:
		return info.readsZeroes() && thin.LBPWS10
	case freeUnmap:
		// SBC-3, section 6.6.3: both limits are above zero where UNMAP is supported.
		return info.readsZeroes() && thin.LBPU && limits.MaxUnmapBlocks > 0 && limits.MaxUnmapDescriptors > 0
	case lbaStatus:
		return info.readsZeroes()
	}
	return true
}

// can tells whether a way is to be tried for blocks up to the byte end.
func (d *Disk) can(w way, end int64) bool {
	if w&tenBytes != 0 && end/int64(d.BlockSize()) > 1<<32 {
		return false
	}
	return !d.ways.refuses(w) && d.info.Load().announces(w)
}

// declined tells whether err says that the target does not know the way, or not as
// the command stands. That is remembered: another way has to be taken, now and
// later.
func (d *Disk) declined(w way, err error) bool {
	if err == nil || !d.refusal(w, err) {
		return false
	}
	d.ways.setRefused(w)
	d.s.cfg.Logger.Debug().Err(err).Msg("the target has to be asked in another way from now on")
	return true
}

func (d *Disk) refusal(w way, err error) bool {
	// A target that does not know NDOB waits for data, and tells of a residual.
	for _, cause := range []error{ErrShort, errIgnored, errUnproven, scsi.ErrMalformed} {
		if errors.Is(err, cause) {
			return true
		}
	}
	status, sense, ok := refused(err)
	if !ok {
		return false
	}
	switch scsi.Classify(status, sense) {
	case scsi.NotSupported:
		return true
	case scsi.MediumFailure, scsi.Fatal:
		// Or it writes the data that did not come, and fails: tgt does.
		const parameterListLength = 0x1a
		return w&withoutData != 0 && !d.ways.works(w) || sense.Key == scsi.IllegalRequest && sense.ASC == parameterListLength
	}
	return false
}

// errIgnored: the target answered GOOD for what it has not done.
var errIgnored = errors.New("the target answers GOOD, but the blocks do not read as zeroes")
