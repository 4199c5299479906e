package initiator

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Bounds of the commands that zero or free a long range.
const (
	maxBulk = 4 // under way at once
	// Bytes of one command, whatever the target allows: each has to end within the
	// flush timeout, and a target may write what it is asked to free.
	maxZeroPiece = 64 << 20
	maxFreePiece = 1 << 30
	// unsaidSame is the length in blocks of a WRITE SAME whose target does not say
	// how long it may be (VPD page B0h): what the short form can express.
	unsaidSame = math.MaxUint16
)

// zeroes are written by all disks, and by nobody into. That they are never written
// keeps them from taking memory.
var (
	zeroes    [maxPiece]byte
	zeroBlock = [][]byte{zeroes[:]}
)

// zeroData is the data of a command that writes n bytes of zeroes, n at most maxPiece.
func zeroData(n int64) vector { return vector{bufs: zeroBlock, len: int(n)} }

// span is a range in bytes, from off to before end.
type span struct{ off, end int64 }

func (r span) empty() bool { return r.off >= r.end }
func (r span) len() int64  { return r.end - r.off }

// Zero makes the n bytes from off on, whole blocks, read as zeroes: with WRITE SAME
// (16) or (10) where the target knows it (SBC-3, sections 5.43 and 5.44), else by
// writing. The blocks stay, or become, allocated. After an error any part of the
// range may have been zeroed. It is durable when a later [Disk.Sync] has succeeded,
// as for a write.
func (d *Disk) Zero(ctx context.Context, off, n int64) error {
	if err := d.check("zero", off, n, true); err != nil {
		return err
	}
	return d.zero(ctx, span{off, off + n})
}

func (d *Disk) zero(ctx context.Context, r span) error {
	if r.empty() {
		return nil
	}
	for _, w := range zeroing {
		if !d.can(w, r.end) || !d.provable(ctx, w, r) {
			continue
		}
		if err := d.writeSame(ctx, w, r); !d.declined(w, err) {
			return err
		}
	}
	return d.writeZeroes(ctx, r)
}

// writeZeroes is the way to zero that no target lacks.
func (d *Disk) writeZeroes(ctx context.Context, r span) error {
	x := pipeline{d: d, op: "WRITE"}
	piece := int64(d.pieceLength(maxZeroPiece, true))
	x.each(ctx, r, cutting{piece, int64(d.BlockSize()), 0}, func(p span) *task {
		t := newCommand(d.lun, d.transferCDB(p.off, int(p.len()), true), d.s.live().CommandTimeout)
		t.disk, t.write, t.exact = d, true, true
		t.data = zeroData(p.len())
		return t
	})
	return x.drain(ctx)
}

// writeSame zeroes, or frees, a range by one of the forms of WRITE SAME.
func (d *Disk) writeSame(ctx context.Context, w way, r span) error {
	c := d.sameCut(w)
	return d.tryFirst(w, c, r, func(r span) error {
		x := pipeline{d: d, op: "WRITE SAME", most: maxBulk}
		x.each(ctx, r, c, func(p span) *task { return d.sameTask(w, p) })
		if err := x.drain(ctx); err != nil || w&withoutData == 0 || d.ways.works(w) {
			return err
		}
		return d.readsZero(ctx, r.off)
	})
}

// tryFirst runs what zeroes or frees a range. The first command of a way that was
// never used goes alone: whether the target knows it shows before more is done.
func (d *Disk) tryFirst(w way, c cutting, r span, run func(span) error) error {
	if r.empty() {
		return nil
	}
	if !d.ways.works(w) {
		first := span{r.off, c.next(r)}
		if err := run(first); err != nil {
			return err
		}
		d.ways.accepted(w)
		r.off = first.end
	}
	return run(r)
}

// sameTask makes one WRITE SAME. NUMBER OF LOGICAL BLOCKS is never zero, which
// would mean all blocks up to the last, and which WSNZ forbids.
func (d *Disk) sameTask(w way, p span) *task {
	size := int64(d.BlockSize())
	lba, blocks := uint64(p.off/size), p.len()/size
	var flags scsi.SameFlags
	if w&withUnmap != 0 {
		flags |= scsi.SameUnmap
	}
	if w&withoutData != 0 {
		flags |= scsi.SameNDOB
	}
	cdb := scsi.WriteSame16(lba, uint32(blocks), flags)
	if w&tenBytes != 0 {
		cdb = scsi.WriteSame10(uint32(lba), uint16(blocks), flags)
	}
	t := d.slowCommand(cdb)
	t.alters, t.exact = true, true
	if w&withoutData == 0 {
		t.write, t.data = true, zeroData(size)
	}
	return t
}

// slowCommand makes a command that may take as long as a SYNCHRONIZE CACHE.
func (d *Disk) slowCommand(cdb scsi.CDB) *task {
	t := newCommand(d.lun, cdb, d.s.live().FlushTimeout)
	t.disk, t.slow = d, true
	return t
}

// provable tells whether the first block of a range can prove a way that was never used:
// it proves nothing of NDOB, see readsZero, where it reads as zeroes already.
func (d *Disk) provable(ctx context.Context, w way, r span) bool {
	if w&withoutData == 0 || d.ways.works(w) || r.empty() {
		return true
	}
	block := make([]byte, d.BlockSize())
	_, err := d.ReadAt(ctx, block, r.off)
	return err == nil && !bytes.Equal(block, zeroes[:len(block)])
}

// readsZero looks at a block that has just been zeroed without data. A target that
// takes NDOB for a reserved bit and does not look at it writes whatever it finds, or nothing.
func (d *Disk) readsZero(ctx context.Context, off int64) error {
	block := make([]byte, d.BlockSize())
	if _, err := d.ReadAt(ctx, block, off); err != nil {
		return err
	}
	if !bytes.Equal(block, zeroes[:len(block)]) {
		return d.error("WRITE SAME (16)", fmt.Errorf("%w (NDOB)", errIgnored))
	}
	return nil
}

// cutting says where a range is cut into commands, in bytes: into pieces of at most
// piece, which end at multiples of grain, counted from start, where they can.
type cutting struct{ piece, grain, start int64 }

// next returns the end of the first piece of a range.
func (c cutting) next(r span) int64 {
	end := satAdd(r.off, c.piece)
	if end >= r.end {
		return r.end
	}
	if aligned := end - floorMod(end-c.start, c.grain); aligned > r.off {
		return aligned
	}
	return end
}

func floorMod(a, b int64) int64 { return ((a % b) + b) % b }

// each starts a command for each piece of a range.
func (x *pipeline) each(ctx context.Context, r span, c cutting, command func(span) *task) {
	for !r.empty() && x.failure == nil {
		end := c.next(r)
		if x.takeToken(ctx) {
			x.start(command(span{r.off, end}))
		}
		r.off = end
	}
}

// sameCut cuts for WRITE SAME.
func (d *Disk) sameCut(w way) cutting {
	limits, size := &d.info.Load().Limits, int64(d.BlockSize())
	blocks := limits.MaxWriteSame
	if blocks == 0 {
		blocks = unsaidSame
	}
	if w&tenBytes != 0 {
		blocks = min(blocks, math.MaxUint16)
	}
	most := int64(maxZeroPiece)
	if w&withUnmap != 0 {
		most = maxFreePiece
	}
	return d.grained(int64(min(blocks, uint64(most/size))) * size)
}

// grained cuts where the target's units of allocation begin (VPD page B0h, OPTIMAL
// UNMAP GRANULARITY and UNMAP GRANULARITY ALIGNMENT).
func (d *Disk) grained(piece int64) cutting {
	limits, size := &d.info.Load().Limits, int64(d.BlockSize())
	c := cutting{piece: piece, grain: size}
	if g := limits.OptimalUnmapGranularity; g > 0 {
		c.grain = int64(g) * size
		if limits.UnmapAlignmentValid {
			c.start = int64(limits.UnmapAlignment) % int64(g) * size
		}
	}
	return c
}
