package initiator

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// statusRuns is how many runs of blocks one GET LBA STATUS asks for.
const statusRuns = 256

// errUnproven: an UNMAP of which nobody can tell what it has done, or that has done
// nothing.
var errUnproven = errors.New("nothing proves that the target has freed blocks")

// Allocation tells what the n bytes from off on are: a hole, where the target says
// that they are deallocated and read as zeroes, else data. n is at least 1 and does
// not reach beyond the end. A target that cannot be asked has no holes: all up to
// the end is data then.
func (d *Disk) Allocation(ctx context.Context, off int64) (n int64, hole bool, err error) {
	size, block := d.Size(), int64(d.BlockSize())
	if off < 0 || off >= size {
		return 0, false, d.error("GET LBA STATUS", fmt.Errorf("%w: byte %d of %d", ErrOutOfRange, off, size))
	}
	if !d.can(lbaStatus, size) {
		return size - off, false, nil
	}
	at := off / block * block
	runs, err := d.provisioning(ctx, at)
	if d.declined(lbaStatus, err) {
		return size - off, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	hole = runs[0].Provisioning == scsi.Deallocated
	for _, run := range runs {
		if (run.Provisioning == scsi.Deallocated) != hole {
			break
		}
		at = satAdd(at, int64(run.Blocks)*block)
	}
	return min(at, size) - off, hole, nil
}

// provisioning asks what backs the blocks from the byte off on. The runs follow one
// another, the first begins there.
func (d *Disk) provisioning(ctx context.Context, off int64) ([]scsi.LBAStatus, error) {
	if !d.can(lbaStatus, d.Size()) {
		return nil, d.error("GET LBA STATUS", errUnproven)
	}
	lba := uint64(off / int64(d.BlockSize()))
	b := make([]byte, scsi.LBAStatusLen(statusRuns))
	t := d.slowCommand(scsi.GetLBAStatus(lba, uint32(len(b))))
	t.read, t.data = true, newVector([][]byte{b})
	n, err := d.do(ctx, t)
	if err != nil {
		return nil, err
	}
	runs, err := scsi.ParseLBAStatus(b[:n], lba)
	if err != nil {
		return nil, d.error("GET LBA STATUS", fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	return runs, nil
}

// do sends one command, and returns how many bytes of data came.
func (d *Disk) do(ctx context.Context, t *task) (received int, err error) {
	defer t.release()
	select {
	case d.depth <- struct{}{}:
		defer func() { <-d.depth }()
	case <-ctx.Done():
		return 0, d.error(t.cdb.String(), context.Cause(ctx))
	}
	if err := d.s.submit(t); err != nil {
		return 0, d.s.commandError(t, err)
	}
	err = d.s.finish(ctx, t)
	return t.received, err
}
