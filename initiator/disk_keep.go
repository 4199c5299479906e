package initiator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Bounds of asking logical units what they are.
const (
	maxProbes = 8 // at a time in one session
	// probePatience is after how long one that does not answer no longer counts
	// as one of them.
	probePatience = 2 * time.Second
	// minProbeBackoff is the first pause between two questions; the longest is
	// maxBackoff, for its reason: somebody's I/O waits for a LUN that is back.
	minProbeBackoff = 250 * time.Millisecond
)

// tendLocked has the logical unit asked what it is, soon: after a login, after a
// unit attention, or when it is away and may be back. keep does it, the one
// goroutine of the session's for this disk, which lives while it has something to
// do.
func (d *Disk) tendLocked() {
	s := d.s
	d.due = true
	d.retry.stop()
	if d.keeping || s.conn == nil || s.endingLocked() || d.state == DiskClosed {
		return
	}
	d.keeping = true
	s.wg.Go(d.keep)
}

func (d *Disk) keep() {
	for c := d.takeDuty(); c != nil; c = d.takeDuty() {
		d.attend(c)
	}
}

// takeDuty returns the connection to ask by, or nil when there is nothing to ask
// or nobody.
func (d *Disk) takeDuty() *conn {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !d.due || s.conn == nil || s.conn.err != nil || s.endingLocked() || d.state == DiskClosed {
		d.keeping = false
		return nil
	}
	d.due = false
	return s.conn
}

// attend is one attempt of keep.
func (d *Disk) attend(c *conn) {
	free := d.s.takeProbe(c)
	if free == nil {
		return
	}
	defer free()
	ctx, cancel := context.WithTimeout(context.Background(), d.s.live().CommandTimeout)
	defer cancel()
	ctx, unbind := c.bind(ctx)
	defer unbind()
	if err := d.examine(ctx, c, examination{keeper: true}); err != nil {
		d.askLater()
	}
}

// takeProbe waits for the right to ask one more logical unit. It is nil when the
// connection ends.
func (s *Session) takeProbe(c *conn) (free func()) {
	select {
	case s.probes <- struct{}{}:
	case <-c.down:
		return nil
	}
	give := sync.OnceFunc(func() { <-s.probes })
	silent := time.AfterFunc(probePatience, give)
	return func() {
		silent.Stop()
		give()
	}
}

// askLater plans the next attempt for a disk that is not used, or whose news could
// not be had. A refused one is asked too: it may have been given its size, or its
// place, back, which nothing announces to a disk without commands.
func (d *Disk) askLater() {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	news := d.state == DiskReady && d.announced != 0
	if !news && d.state != DiskAway && d.state != DiskLost && d.state != DiskRefused {
		return
	}
	pause := probePause(d.tries)
	d.tries++
	d.retry.start(pause, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		d.tendLocked()
	})
}

// probePause is how long to wait after so many questions in vain, give or take
// half of it, so that not all disks ask at once.
func probePause(tries int) time.Duration {
	pause := min(minProbeBackoff<<min(tries, 10), maxBackoff)
	return pause/2 + rand.N(pause)
}

// proveLocked begins the proof that the disk is the same as before: commands wait
// for its outcome.
func (d *Disk) proveLocked() {
	d.changeLocked(DiskUnproven, d.reason)
	d.waitLocked(proofTime)
	d.tendLocked()
}

// suspectLocked holds the commands until the logical unit has proven once more
// that it is the same: it was reset, or says that it is not what it was.
func (d *Disk) suspectLocked() {
	if d.state == DiskReady {
		d.proveLocked()
	}
}

// announceLocked takes note of news that are told when the logical unit has been
// asked for them.
func (d *Disk) announceLocked(kind EventKind) {
	d.announced.add(kind)
	d.tendLocked()
}

func (d *Disk) takeAnnounced() eventSet {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	set := d.announced
	d.announced = 0
	return set
}
