package initiator

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Disk is a logical unit that is a direct access block device (SBC-3). It lives
// until it, or its session, is closed; its methods may be called by several
// goroutines.
//
// Offsets and lengths are in bytes and whole blocks. Memory handed to a method
// is the disk's until the method returns.
type Disk struct {
	s     *Session
	lun   scsi.LUN
	depth chan struct{} // a token for each command in flight
	info  atomic.Pointer[DiskInfo]
	epoch atomic.Uint64
	flush atomic.Int32          // a flushForm
	ways  ways                  // of zeroing and deallocating
	space *space                // of a thin pool; that of the unit
	gone  atomic.Pointer[Error] // why commands fail at once; changed with the state
	hold  atomic.Pointer[hold]  // on a persistent reservation; nil: none was taken
	// removed: the target has taken the logical unit away, see DiskStatus.Removed. Set
	// with Session.mu held.
	removed atomic.Bool
	// asking is the right to ask the logical unit what it is.
	asking chan struct{}

	// Guarded by Session.mu.
	state     DiskState
	since     time.Time // when it was last ready, or is ready
	reason    *Error    // why it is not
	told      DiskState // that was last logged and told
	resets    int       // resets under way, which hold commands too
	waiting   taskList  // callers' commands that are held, in the order of submission
	expiry    timer     // when to give up waiting
	granted   bool      // expiry is later than the replacement timeout
	keeping   bool      // keep runs
	due       bool      // there is something to ask
	retry     timer     // when it will be
	tries     int       // without success
	announced eventSet  // to be told when the logical unit was asked
	unit      *Unit     // which the disk is a path of, or nil
}

func newDisk(s *Session, lun scsi.LUN, info *DiskInfo) *Disk {
	d := &Disk{s: s, lun: lun, depth: make(chan struct{}, s.cfg.QueueDepth), asking: make(chan struct{}, 1), since: time.Now(), space: new(space)}
	d.info.Store(info)
	return d
}

// DiskInfo is what a logical unit tells of itself.
type DiskInfo struct {
	LUN         scsi.LUN
	Inquiry     scsi.InquiryData
	Serial      string            // VPD page 80h
	Designators []scsi.Designator // VPD page 83h
	UdevID      string            // what udev names /dev/disk/by-id/scsi-* after; may be empty
	Capacity    scsi.Capacity
	Limits      scsi.BlockLimits                // VPD page B0h; zero if not reported
	Medium      scsi.BlockDeviceCharacteristics // VPD page B1h
	Thin        scsi.LogicalBlockProvisioning   // VPD page B2h; zero if not reported
	Mode        scsi.ModeData                   // caching and write protection
	// Restricted: the asymmetric access state of the path kept the medium from
	// being looked at. Capacity and Mode are those that another path told.
	Restricted bool
}

// complete takes over from what is known of the logical unit what its path did
// not let it tell.
func (info *DiskInfo) complete(known *DiskInfo) {
	if info.Restricted {
		info.Capacity, info.Mode = known.Capacity, known.Mode
	}
}

// Size returns the capacity in bytes.
func (d *Disk) Size() int64 {
	n, _ := d.info.Load().Capacity.Bytes()
	return n
}

// BlockSize returns the length of a logical block in bytes, a power of two from
// 512 to 64 KiB.
func (d *Disk) BlockSize() int { return int(d.info.Load().Capacity.BlockSize) }

// OptimalTransfer returns the transfer length that the target likes best, in
// bytes; 0 if it does not say (VPD page B0h).
func (d *Disk) OptimalTransfer() int { return d.blocks(d.info.Load().Limits.OptimalTransfer) }

// MaxTransfer returns the longest transfer of one command in bytes; 0 if the
// target does not say (VPD page B0h). Longer accesses are split.
func (d *Disk) MaxTransfer() int { return d.blocks(d.info.Load().Limits.MaxTransfer) }

// UnmapGranularity returns the unit in which the target frees blocks, in bytes; 0 if
// it does not say (OPTIMAL UNMAP GRANULARITY, VPD page B0h).
func (d *Disk) UnmapGranularity() int { return d.blocks(d.info.Load().Limits.OptimalUnmapGranularity) }

func (d *Disk) blocks(n uint32) int { return int(min(int64(n)*int64(d.BlockSize()), 1<<30)) }

// ReadOnly tells whether the target protects the medium against writes.
func (d *Disk) ReadOnly() bool { return d.info.Load().Mode.WriteProtect }

// Thin tells whether the unit is thinly provisioned: its blocks can be without
// backing (LBPME of READ CAPACITY (16)).
func (d *Disk) Thin() bool { return d.info.Load().Capacity.LBPME }

// Info returns what the logical unit told of itself when it was last asked.
func (d *Disk) Info() DiskInfo { return *d.info.Load() }

// Epoch is a write verifier: it changes whenever the target may have lost what
// was written and not synchronized, that is with each new login, each reset or
// power on that the target reports, when the LUN went away, and when a reservation
// that was lost is taken again. Data written in one epoch are safe when a [Disk.Sync]
// has succeeded in the same epoch.
func (d *Disk) Epoch() uint64 { return d.epoch.Load() }

// OpenDisk asks a logical unit what it is, and waits for it to be ready. It
// fails with ErrNotDisk when the LUN is absent or no disk.
func (s *Session) OpenDisk(ctx context.Context, lun scsi.LUN) (*Disk, error) {
	p := prober{s: s, lun: lun}
	for {
		login := s.logins()
		info, err := p.probe(ctx)
		if err != nil {
			return nil, err
		}
		// A disk that was closed, or never opened, may have left writes behind.
		if s.haunted(lun) {
			if err := s.exorcise(ctx, lun); err != nil {
				return nil, p.error("open", causeOf(err))
			}
		}
		d := newDisk(s, lun, info)
		// What was learned in two logins may be of two logical units.
		if added, err := s.addDisk(d, login); added || err != nil {
			return d, err
		}
	}
}

// addDisk makes a disk known to the session, if the session is still in the
// login in which it was probed. From then on every new login verifies it.
func (s *Session) addDisk(d *Disk, login int) (added bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.disks[d.lun] != nil:
		e := s.errorLocked("open", errors.New("the LUN is open already"))
		e.LUN = d.lun.String()
		return false, e
	case s.state == Recovering || s.reconnects != login:
		return false, nil
	}
	s.disks[d.lun] = d
	return true, nil
}
