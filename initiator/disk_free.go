package initiator

import (
	"context"
	"errors"
	"math"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

const (
	// unmapWindow is how many bytes are unmapped before the target is asked what
	// has become of them.
	unmapWindow = maxBulk * maxFreePiece
	// fruitless is from how many bytes on a target that has freed none of them is
	// not asked again: to write zeroes instead would fill the unit.
	fruitless = 16 << 20
)

// Deallocate makes the n bytes from off on, whole blocks, read as zeroes for
// certain and frees the blocks where it can. WRITE SAME with UNMAP and zeroes is
// both in one (SBC-3, section 4.7.3); UNMAP may be ignored in any part, so that
// GET LBA STATUS has to prove it; what is left, and what is less than a granule of
// the target's, is zeroed as by [Disk.Zero].
//
// It fails with ErrNoDeallocation, and has done nothing then, where the target
// cannot do one or the other, or does not say that blocks without backing read as
// zeroes. After other errors any part of the range may have been zeroed.
func (d *Disk) Deallocate(ctx context.Context, off, n int64) error {
	if err := d.check("deallocate", off, n, true); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	all := span{off, off + n}
	body, begun := d.granules(all), false
	for _, w := range freeing {
		if !d.can(w, all.end) || !d.provable(ctx, w, body) {
			continue
		}
		err := d.free(ctx, w, all, body)
		if d.declined(w, err) {
			begun = begun || d.begun(w, err)
			continue
		}
		if err != nil {
			return err
		}
		return d.zeroAround(ctx, all, body)
	}
	if begun {
		return d.zero(ctx, all)
	}
	return d.error("deallocate", ErrNoDeallocation)
}

// granules returns the part of a range that consists of whole units of allocation.
func (d *Disk) granules(r span) span {
	c := d.grained(0)
	body := span{satAdd(r.off, floorMod(c.start-r.off, c.grain)), r.end - floorMod(r.end-c.start, c.grain)}
	if body.empty() {
		return span{r.off, r.off}
	}
	return body
}

// zeroAround zeroes the range but for its body.
func (d *Disk) zeroAround(ctx context.Context, r, body span) error {
	if err := d.zeroEdge(ctx, span{r.off, body.off}); err != nil {
		return err
	}
	return d.zeroEdge(ctx, span{body.end, r.end})
}

// zeroEdge zeroes less than a granule. Where nothing backs it, it reads as zeroes
// already, and to write them would take room.
func (d *Disk) zeroEdge(ctx context.Context, r span) error {
	if !d.can(lbaStatus, r.end) {
		return d.zero(ctx, r)
	}
	return d.zeroMapped(ctx, r, false)
}

// free frees the body of a range in one way.
func (d *Disk) free(ctx context.Context, w way, all, body span) error {
	if w != freeUnmap {
		return d.writeSame(ctx, w, body)
	}
	if _, err := d.provisioning(ctx, all.off); err != nil {
		if d.declined(lbaStatus, err) {
			return d.error("UNMAP", errUnproven)
		}
		return err
	}
	return d.unmap(ctx, body)
}

// begun tells whether a way that ended with err may have changed the medium. The
// first command of a new way went alone.
func (d *Disk) begun(w way, err error) bool {
	if errors.Is(err, errUnproven) {
		return false
	}
	_, sense, ok := refused(err)
	return d.ways.works(w) || !ok || sense.Key != scsi.IllegalRequest
}

// unmap frees a range, and zeroes what the target has not freed of it.
func (d *Disk) unmap(ctx context.Context, r span) error {
	windows := d.grained(unmapWindow)
	for begun := false; !r.empty(); begun = true {
		window := span{r.off, windows.next(r)}
		if err := d.unmapOver(ctx, window); err != nil {
			return err
		}
		if err := d.zeroMapped(ctx, window, !begun); err != nil {
			return err
		}
		r.off = window.end
	}
	return nil
}

func (d *Disk) unmapOver(ctx context.Context, r span) error {
	limits, size := &d.info.Load().Limits, int64(d.BlockSize())
	blocks := min(int64(limits.MaxUnmapBlocks), maxFreePiece/size)
	c := d.grained(blocks * size)
	return d.tryFirst(freeUnmap, c, r, func(r span) error {
		x := pipeline{d: d, op: "UNMAP", most: maxBulk}
		x.each(ctx, r, c, d.unmapTask)
		return x.drain(ctx)
	})
}

// unmapTask makes an UNMAP of one range. More would save little: each may be as
// long as MAXIMUM UNMAP LBA COUNT, which is a bound of their sum. What the target says
// of a residual is not looked at: it is to prove what it has done, and tgt says that
// it has taken no data.
func (d *Disk) unmapTask(p span) *task {
	size := int64(d.BlockSize())
	list := scsi.UnmapList(scsi.BlockRange{LBA: uint64(p.off / size), Blocks: uint32(p.len() / size)})
	t := d.slowCommand(scsi.Unmap(1))
	t.write, t.data = true, newVector([][]byte{list})
	return t
}

// zeroMapped zeroes what the target has not freed of a range. Where that is all of
// the first range, and it is large, it fails, and nothing was done.
func (d *Disk) zeroMapped(ctx context.Context, all span, first bool) error {
	for r := all; !r.empty(); {
		parts, known, err := d.mapped(ctx, r)
		if err != nil {
			return err
		}
		vain := len(parts) == 1 && parts[0] == all && all.len() >= fruitless
		if vain && first && !d.ways.refuses(lbaStatus) {
			return d.error("UNMAP", errUnproven)
		}
		for _, p := range parts {
			if err := d.zero(ctx, p); err != nil {
				return err
			}
		}
		r.off = known
	}
	return nil
}

// maxParts bounds what is remembered of a target's word.
const maxParts = 1024

// mapped returns the parts of a range, up to known, that the target has not
// deallocated, or does not say that it has.
func (d *Disk) mapped(ctx context.Context, r span) (parts []span, known int64, err error) {
	size := int64(d.BlockSize())
	for !r.empty() && len(parts) < maxParts {
		runs, err := d.provisioning(ctx, r.off)
		if d.declined(lbaStatus, err) {
			return appendSpan(parts, r), r.end, nil
		}
		if err != nil {
			return nil, 0, err
		}
		for _, run := range runs {
			end := min(r.end, satAdd(r.off, int64(run.Blocks)*size))
			if run.Provisioning != scsi.Deallocated {
				parts = appendSpan(parts, span{r.off, end})
			}
			r.off = end
		}
	}
	return parts, r.off, nil
}

// appendSpan appends a part to a list in ascending order; one that continues the
// last is joined with it.
func appendSpan(list []span, p span) []span {
	if n := len(list); n > 0 && list[n-1].end == p.off {
		list[n-1].end = p.end
		return list
	}
	if p.empty() {
		return list
	}
	return append(list, p)
}

func satAdd(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
