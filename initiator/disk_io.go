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
	maxPieces     = 16 // of one access, under way at once
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

// transfer is one access, as a queue of commands under way.
type transfer struct {
	d       *Disk
	write   bool
	single  [1][]byte
	tasks   [maxPieces]*task // a ring: the oldest is tasks[first]
	first   int
	n       int
	queued  bool  // some of them wait to be sent together
	failure error // the first
}

var transferPool = sync.Pool{New: func() any { return new(transfer) }}

func newTransfer(d *Disk, write bool) *transfer {
	x := transferPool.Get().(*transfer)
	x.d, x.write = d, write
	return x
}

func (x *transfer) release() {
	*x = transfer{}
	transferPool.Put(x)
}

// run splits the access and returns when all its commands have ended.
func (x *transfer) run(ctx context.Context, bufs [][]byte, off int64) error {
	v := newVector(bufs)
	if err := x.check(off, v.len); err != nil {
		return err
	}
	piece := x.d.pieceLength(v.len, x.write)
	for done := 0; done < v.len && x.failure == nil; {
		n := min(piece, v.len-done)
		x.begin(ctx, v.slice(done, n), off+int64(done))
		done += n
	}
	// The last to answer is likely the last that was sent: who waits for it first
	// is woken once, not once for each.
	for x.n > 0 {
		x.n--
		x.finish(ctx, (x.first+x.n)%maxPieces)
	}
	return x.failure
}

// check refuses what no command could express.
func (x *transfer) check(off int64, n int) error {
	d := x.d
	if gone := d.gone.Load(); gone != nil {
		return gone
	}
	if lost := d.lostHold(); lost != nil && x.write {
		return lost
	}
	block := int64(d.BlockSize())
	if off < 0 || off%block != 0 || int64(n)%block != 0 || off > d.Size()-int64(n) {
		return d.error(x.op(), fmt.Errorf("%w: %d bytes at %d of %d, blocks of %d", ErrOutOfRange, n, off, d.Size(), block))
	}
	return nil
}

func (x *transfer) op() string {
	if x.write {
		return "WRITE"
	}
	return "READ"
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
	t := newCommand(d.lun, d.transferCDB(off, data.len, x.write), d.s.cfg.CommandTimeout)
	t.disk = d
	t.data, t.exact = data, true
	t.read, t.write = !x.write, x.write
	if err := d.s.queue(t); err != nil {
		x.failed(d.s.commandError(t, err))
		t.release()
		<-d.depth
		return
	}
	x.queued = true
	x.tasks[(x.first+x.n)%maxPieces] = t
	x.n++
}

// takeToken waits for the right to have one more command in flight. While the
// access has some of its own, it finishes those first.
func (x *transfer) takeToken(ctx context.Context) bool {
	if x.n == maxPieces {
		x.finishOldest(ctx)
	}
	for x.n > 0 {
		select {
		case x.d.depth <- struct{}{}:
			return true
		default:
			x.finishOldest(ctx)
		}
	}
	select {
	case x.d.depth <- struct{}{}:
		return true
	case <-ctx.Done():
		x.failed(x.d.error(x.op(), context.Cause(ctx)))
		return false
	}
}

// finishOldest waits for the command that was submitted first.
func (x *transfer) finishOldest(ctx context.Context) {
	oldest := x.first
	x.first, x.n = (x.first+1)%maxPieces, x.n-1
	x.finish(ctx, oldest)
}

// finish waits for the command in place i of the ring, which has left it.
func (x *transfer) finish(ctx context.Context, i int) {
	if x.queued {
		x.d.s.send()
		x.queued = false
	}
	t := x.tasks[i]
	x.tasks[i] = nil
	x.failed(x.d.s.finish(ctx, t))
	t.release()
	<-x.d.depth
}

// failed keeps the first error.
func (x *transfer) failed(err error) {
	if x.failure == nil {
		x.failure = err
	}
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
