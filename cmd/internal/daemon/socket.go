package daemon

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/iscsifs/iscsifs/initiator"
)

// socket is where the disk of a LUN is plugged in. A session that is closed by force
// takes its disks with it, and the volume above may hold data that is not on the
// target: until a disk of the same logical unit is plugged in, everything fails.
type socket struct {
	at atomic.Pointer[plugged]
}

// plugged is a disk and what makes the epoch go on from the one before.
type plugged struct {
	disk
	base uint64
}

var _ disk = (*socket)(nil)

func newSocket(d disk) *socket {
	s := &socket{}
	s.at.Store(&plugged{disk: d})
	return s
}

// inner is the disk that is plugged in.
func (s *socket) inner() disk { return s.at.Load().disk }

// plug puts a disk into the place of another. The epoch changes. One at a time does it.
func (s *socket) plug(d disk) {
	s.at.Store(&plugged{d, s.Epoch() + 1 - d.Epoch()})
}

// unplug leaves what fails for the given reason.
func (s *socket) unplug(why error) {
	old := s.inner()
	s.plug(&absentDisk{info: old.Info(), size: old.Size(), block: old.BlockSize(), since: time.Now(),
		why: fmt.Errorf("%w: %w", initiator.ErrSessionLost, why)})
}

func (s *socket) Size() int64                    { return s.inner().Size() }
func (s *socket) BlockSize() int                 { return s.inner().BlockSize() }
func (s *socket) OptimalTransfer() int           { return s.inner().OptimalTransfer() }
func (s *socket) MaxTransfer() int               { return s.inner().MaxTransfer() }
func (s *socket) UnmapGranularity() int          { return s.inner().UnmapGranularity() }
func (s *socket) ReadOnly() bool                 { return s.inner().ReadOnly() }
func (s *socket) Info() initiator.DiskInfo       { return s.inner().Info() }
func (s *socket) Status() initiator.DiskStatus   { return s.inner().Status() }
func (s *socket) Sync(ctx context.Context) error { return s.inner().Sync(ctx) }
func (s *socket) Close() error                   { return s.inner().Close() }

func (s *socket) Refresh(ctx context.Context) error        { return s.inner().Refresh(ctx) }
func (s *socket) Reset(ctx context.Context) error          { return s.inner().Reset(ctx) }
func (s *socket) AcceptCapacity(ctx context.Context) error { return s.inner().AcceptCapacity(ctx) }
func (s *socket) Release(ctx context.Context) error        { return s.inner().Release(ctx) }
func (s *socket) Reservation() initiator.Reservation       { return s.inner().Reservation() }

func (s *socket) Reserve(ctx context.Context, key, preempt uint64) error {
	return s.inner().Reserve(ctx, key, preempt)
}

func (s *socket) ReadvAt(ctx context.Context, bufs [][]byte, off int64) error {
	return s.inner().ReadvAt(ctx, bufs, off)
}

func (s *socket) WritevAt(ctx context.Context, bufs [][]byte, off int64) error {
	return s.inner().WritevAt(ctx, bufs, off)
}

func (s *socket) Thin() bool { return s.inner().Thin() }

func (s *socket) Zero(ctx context.Context, off, n int64) error { return s.inner().Zero(ctx, off, n) }

func (s *socket) Deallocate(ctx context.Context, off, n int64) error {
	return s.inner().Deallocate(ctx, off, n)
}

func (s *socket) Allocation(ctx context.Context, off int64) (n int64, hole bool, err error) {
	return s.inner().Allocation(ctx, off)
}

// Epoch is that of the disk, and another with each disk.
func (s *socket) Epoch() uint64 {
	p := s.at.Load()
	return p.base + p.disk.Epoch()
}

// absentDisk is what is left of a disk whose session was closed.
type absentDisk struct {
	info  initiator.DiskInfo
	size  int64
	block int
	since time.Time
	why   error // why everything fails
}

func (a *absentDisk) Size() int64              { return a.size }
func (a *absentDisk) BlockSize() int           { return a.block }
func (a *absentDisk) OptimalTransfer() int     { return 0 }
func (a *absentDisk) MaxTransfer() int         { return 0 }
func (a *absentDisk) UnmapGranularity() int    { return 0 }
func (a *absentDisk) ReadOnly() bool           { return a.info.Mode.WriteProtect }
func (a *absentDisk) Info() initiator.DiskInfo { return a.info }
func (a *absentDisk) Epoch() uint64            { return 0 }
func (a *absentDisk) Close() error             { return nil }

// Status tells that it is lost.
func (a *absentDisk) Status() initiator.DiskStatus {
	return initiator.DiskStatus{State: initiator.DiskLost, Since: a.since, Reason: a.why}
}

func (a *absentDisk) ReadvAt(context.Context, [][]byte, int64) error  { return a.why }
func (a *absentDisk) WritevAt(context.Context, [][]byte, int64) error { return a.why }
func (a *absentDisk) Zero(context.Context, int64, int64) error        { return a.why }
func (a *absentDisk) Deallocate(context.Context, int64, int64) error  { return a.why }
func (a *absentDisk) Sync(context.Context) error                      { return a.why }
func (a *absentDisk) Refresh(context.Context) error                   { return a.why }
func (a *absentDisk) Reset(context.Context) error                     { return a.why }
func (a *absentDisk) AcceptCapacity(context.Context) error            { return a.why }
func (a *absentDisk) Reserve(context.Context, uint64, uint64) error   { return a.why }

// Allocation cannot be asked for.
func (a *absentDisk) Allocation(context.Context, int64) (int64, bool, error) {
	return 0, false, a.why
}

// Thin is what the unit last said.
func (a *absentDisk) Thin() bool { return a.info.Capacity.LBPME }

// Release gives up nothing: what the target has reserved stays so.
func (a *absentDisk) Release(context.Context) error { return nil }

// Reservation is not known to be held.
func (a *absentDisk) Reservation() initiator.Reservation { return initiator.Reservation{Lost: a.why} }
