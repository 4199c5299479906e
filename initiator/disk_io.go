package initiator

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Lengths of one READ or WRITE in bytes. A long access becomes several commands
// under way at once, so that the target's work, the wire and our own overlap;
// pieces below the least would cost more than they win. Who reads waits for it;
// who writes has others under way, and targets like long writes.
const (
	maxPiece      = 512 << 10
	minReadPiece  = 64 << 10
	minWritePiece = 256 << 10
)

// ReadAt fills p from off on. It returns len(p), or less with an error, and
// then nothing in p is valid.
func (d *Disk) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return d.one(ctx, p, off, false)
}

// WriteAt writes p at off. It returns len(p) when the target has answered GOOD
// for all of it; after an error any part of it may have been written.
func (d *Disk) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	return d.one(ctx, p, off, true)
}

// ReadvAt fills the buffers, one after the other, from off on.
func (d *Disk) ReadvAt(ctx context.Context, bufs [][]byte, off int64) error {
	return d.access(ctx, bufs, off, false)
}

// WritevAt writes the buffers, one after the other, from off on.
func (d *Disk) WritevAt(ctx context.Context, bufs [][]byte, off int64) error {
	return d.access(ctx, bufs, off, true)
}

// one is an access to a single buffer.
func (d *Disk) one(ctx context.Context, p []byte, off int64, write bool) (int, error) {
	x := newTransfer(d, write)
	defer x.release()
	x.single[0] = p
	if err := x.run(ctx, x.single[:], off); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (d *Disk) access(ctx context.Context, bufs [][]byte, off int64, write bool) error {
	x := newTransfer(d, write)
	defer x.release()
	return x.run(ctx, bufs, off)
}

// transfer is one READ or WRITE access.
type transfer struct {
	pipeline
	write  bool
	single [1][]byte
}

var transferPool = sync.Pool{New: func() any { return new(transfer) }}

func newTransfer(d *Disk, write bool) *transfer {
	x := transferPool.Get().(*transfer)
	x.pipeline, x.write = pipeline{d: d, op: "READ"}, write
	if write {
		x.op = "WRITE"
	}
	return x
}

func (x *transfer) release() {
	*x = transfer{}
	transferPool.Put(x)
}

// run splits the access and returns when all its commands have ended.
func (x *transfer) run(ctx context.Context, bufs [][]byte, off int64) error {
	v := newVector(bufs)
	if err := x.d.check(x.op, off, int64(v.len), x.write); err != nil {
		return err
	}
	piece := x.d.pieceLength(v.len, x.write)
	for done := 0; done < v.len && x.failure == nil; {
		n := min(piece, v.len-done)
		x.begin(ctx, v.slice(done, n), off+int64(done))
		done += n
	}
	return x.drain(ctx)
}

// check refuses what no command could express.
func (d *Disk) check(op string, off, n int64, write bool) error {
	if gone := d.gone.Load(); gone != nil {
		return gone
	}
	if lost := d.lostHold(); lost != nil && write {
		return lost
	}
	block := int64(d.BlockSize())
	if off < 0 || n < 0 || off%block != 0 || n%block != 0 || off > d.Size()-n {
		return d.error(op, fmt.Errorf("%w: %d bytes at %d of %d, blocks of %d", ErrOutOfRange, n, off, d.Size(), block))
	}
	return nil
}

// pieceLength says how long the commands of an access of n bytes are: a few
// equal pieces, whole blocks, within what the target takes.
func (d *Disk) pieceLength(n int, write bool) int {
	least := minReadPiece
	if write {
		least = minWritePiece
	}
	piece := min(max((n+3)/4, least), maxPiece)
	if limit := d.MaxTransfer(); limit > 0 {
		piece = min(piece, limit)
	}
	block := d.BlockSize()
	return max(piece/block*block, block)
}

// begin queues one command. The commands of an access are sent together, when
// there is nothing left to do but to wait for them.
func (x *transfer) begin(ctx context.Context, data vector, off int64) {
	if !x.takeToken(ctx) {
		return
	}
	d := x.d
	t := newCommand(d.lun, d.transferCDB(off, data.len, x.write), d.s.live().CommandTimeout)
	t.disk = d
	t.data, t.exact = data, true
	t.read, t.write = !x.write, x.write
	x.start(t)
}

// transferCDB returns READ or WRITE (10) where it reaches, else (16).
func (d *Disk) transferCDB(off int64, n int, write bool) scsi.CDB {
	lba, blocks := uint64(off)/uint64(d.BlockSize()), n/d.BlockSize()
	short := lba <= math.MaxUint32 && blocks <= math.MaxUint16
	switch {
	case write && short:
		return scsi.Write10(uint32(lba), uint16(blocks), false)
	case write:
		return scsi.Write16(lba, uint32(blocks), false)
	case short:
		return scsi.Read10(uint32(lba), uint16(blocks))
	}
	return scsi.Read16(lba, uint32(blocks))
}

// error words an error of this disk.
func (d *Disk) error(op string, cause error) *Error {
	err := d.s.error(op, cause)
	err.LUN = d.lun.String()
	return err
}
