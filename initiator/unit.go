package initiator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Unit is a logical unit that is reached through several paths: one [Disk] for
// each session of [Paths]. It is used as a Disk is, and goes on as long as one
// path is left. Its methods may be called by several goroutines.
//
// An access goes out on one path: of those in the best asymmetric access state
// the one with the fewest commands in flight. A path whose session is lost is
// left at once, its accesses go out on another, and it is used again when its
// session is back and the logical unit proven. Without any path accesses wait up
// to Config.ReplacementTimeout, counted from the loss of the last.
//
// Writes that were unanswered when a path was lost may still be executed by the
// target. Until a LOGICAL UNIT RESET has ended them no other write goes out, see
// settle.
//
// Locks: Session.mu before Unit.mu. With Unit.mu held nothing of a session is
// called.
type Unit struct {
	lun    scsi.LUN
	target string
	log    zerolog.Logger
	depth  chan struct{} // shared by the disks: a token for each command in flight
	space  *space        // shared by the disks

	ctx   context.Context // ends with close
	stop  context.CancelFunc
	tasks sync.WaitGroup // refresh, resetAll and tellLost, which end with ctx
	// settling is held, as a token, by who resets the logical unit.
	settling chan struct{}
	// reserving is held while the paths' registrations change, over I/O: a path that
	// joins is not to miss it.
	reserving sync.Mutex

	// mu guards what follows.
	mu sync.Mutex
	// replacement is how long accesses wait for a path; negative: for ever.
	replacement time.Duration

	members []*Paths // whose sessions are its paths, its home first; see JoinUnit
	paths   []*path
	lead    *Disk  // the last that told what it is: that is what the unit is
	next    int    // the path that is asked first, for an equal turn
	epoch   uint64 // what makes Epoch go on from where it was
	changed chan struct{}
	// deadSince and hauntedSince tell since when no path is usable and since when
	// no write may go out; zero: one is, they may.
	deadSince, hauntedSince time.Time
	readySince              time.Time // since when one is
	failing                 bool      // the log knows that accesses fail
	gone, toldGone          bool      // no path came back in time, and OnEvent was told, see unit_lost.go
	telling                 bool      // tellLost runs
	expiry                  timer     // until it is lost
	waiting                 int       // accesses that wait for a path
	fence                   *fence
	fences                  []*fence // older ones that are not empty
	refreshing, stale       bool     // the access states, see refresh
	resetting               bool     // resetAll runs
	via                     *Disk    // which settle resets through
}

// newUnit makes a unit of its first disk.
func newUnit(home *Paths, first *Disk, replacement time.Duration) *Unit {
	cfg := &first.s.cfg
	ctx, stop := context.WithCancel(context.Background())
	u := &Unit{
		lun:         first.lun,
		target:      cfg.TargetName,
		replacement: replacement,
		log:         cfg.Logger.With().Str("target", cfg.TargetName).Stringer("lun", first.lun).Logger(),
		depth:       make(chan struct{}, cfg.QueueDepth),
		ctx:         ctx,
		stop:        stop,
		space:       new(space),
		settling:    make(chan struct{}, 1),
		members:     []*Paths{home},
		lead:        first,
		changed:     make(chan struct{}),
		deadSince:   time.Now(),
		fence:       newFence(),
	}
	u.add(first)
	return u
}

// Close forgets the unit and closes its disks: what waits or is under way fails
// with ErrClosed. Afterwards the LUN may be opened again.
func (u *Unit) Close() error {
	u.end()
	var errs []error
	for _, d := range u.disks() {
		errs = append(errs, d.Close())
	}
	return join(errs...)
}

// end ends the waiting of all accesses and the unit's goroutines.
func (u *Unit) end() {
	u.mu.Lock()
	first := !u.isClosed()
	u.stop()
	u.expiry.stop()
	members := slices.Clone(u.members)
	u.mu.Unlock()
	u.tasks.Wait()
	if !first {
		return
	}
	for _, m := range members {
		m.forget(u)
	}
}

// home tells whether the unit ends with m.
func (u *Unit) home(m *Paths) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.members[0] == m
}

// disks returns those of all paths.
func (u *Unit) disks() (list []*Disk) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.paths {
		if !p.leaving {
			list = append(list, p.disk)
		}
	}
	return list
}

func (u *Unit) isClosed() bool { return u.ctx.Err() != nil }

// goLocked starts a goroutine that ends with the unit.
func (u *Unit) goLocked(f func()) {
	if !u.isClosed() {
		u.tasks.Go(f)
	}
}

// disk returns the path that speaks for the unit.
func (u *Unit) disk() *Disk {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lead
}

// Size returns the capacity in bytes.
func (u *Unit) Size() int64 { return u.disk().Size() }

// BlockSize returns the length of a logical block in bytes.
func (u *Unit) BlockSize() int { return u.disk().BlockSize() }

// OptimalTransfer returns the transfer length that the target likes best, in
// bytes; 0 if it does not say.
func (u *Unit) OptimalTransfer() int { return u.disk().OptimalTransfer() }

// MaxTransfer returns the longest transfer of one command in bytes; 0 if the
// target does not say. Each path splits longer accesses by its own limit.
func (u *Unit) MaxTransfer() int { return u.disk().MaxTransfer() }

// UnmapGranularity returns the unit in which the target frees blocks, in bytes; 0 if
// it does not say.
func (u *Unit) UnmapGranularity() int { return u.disk().UnmapGranularity() }

// ReadOnly tells whether the target protects the medium against writes.
func (u *Unit) ReadOnly() bool { return u.disk().ReadOnly() }

// Thin tells whether the unit is thinly provisioned.
func (u *Unit) Thin() bool { return u.disk().Thin() }

// Info returns what the logical unit told of itself through its leading path, under
// the LUN by which it was opened.
func (u *Unit) Info() DiskInfo {
	info := u.disk().Info()
	info.LUN = u.lun
	return info
}

// FlushUnsupported tells whether the target knows no form of SYNCHRONIZE CACHE.
func (u *Unit) FlushUnsupported() bool { return u.disk().FlushUnsupported() }

// Epoch is a write verifier as that of a [Disk]: a change of any path's is one
// of the unit's.
func (u *Unit) Epoch() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	sum := u.epoch
	for _, p := range u.paths {
		sum += p.disk.Epoch()
	}
	return sum
}

// error words an error of the unit.
func (u *Unit) error(op string, cause error) *Error {
	return &Error{Op: op, Target: u.target, LUN: u.lun.String(), Err: cause}
}

// wakeLocked lets those who wait look again.
func (u *Unit) wakeLocked() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// timedOut is the cause of accesses that waited in vain.
func (u *Unit) timedOut(what string, reason error) error {
	if reason == nil {
		return fmt.Errorf("%w: %s within %v", ErrSessionLost, what, u.replacement)
	}
	return fmt.Errorf("%w: %s within %v: %w", ErrSessionLost, what, u.replacement, reason)
}
