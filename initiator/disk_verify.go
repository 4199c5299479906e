package initiator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Refresh asks the logical unit again what it is, and takes over capacity, mode,
// limits and inquiry data. A unit that turns out to be another (ErrIdentity), has
// become smaller (ErrShrunk) or is gone (ErrNotDisk) is not used from then on; one
// that was not used before, and is the same again, is. Any other error changes
// nothing. While the session is lost Refresh fails with ErrSessionLost: the next
// login asks in any case.
func (d *Disk) Refresh(ctx context.Context) error { return d.refresh(ctx, false) }

// AcceptCapacity is Refresh that takes over a smaller capacity too.
func (d *Disk) AcceptCapacity(ctx context.Context) error { return d.refresh(ctx, true) }

func (d *Disk) refresh(ctx context.Context, accept bool) error {
	c, err := d.connection()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.s.live().CommandTimeout)
	defer cancel()
	ctx, unbind := c.bind(ctx)
	defer unbind()
	err = d.examine(ctx, c, examination{accept: accept})
	if err != nil {
		d.askLater()
	}
	return err
}

// connection returns the live connection.
func (d *Disk) connection() (*conn, error) {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.endingLocked():
		return nil, d.errorLocked("verify", ErrClosed)
	case d.state == DiskClosed:
		return nil, d.reason
	case s.conn == nil:
		return nil, d.errorLocked("verify", ErrSessionLost)
	}
	return s.conn, nil
}

// examination is how a logical unit is asked what it is.
type examination struct {
	accept bool // a smaller capacity
	keeper bool // by keep: silence counts against the disk
}

// examine asks the logical unit what it is, compares, silences the writes of lost
// connections, proves the reservation, and draws the conclusion. One examination of a
// disk takes place at a time.
func (d *Disk) examine(ctx context.Context, c *conn, x examination) error {
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return d.error("verify", context.Cause(ctx))
	}
	announced := d.takeAnnounced()
	now, err := d.ask(ctx, x.accept)
	if err == nil && d.s.haunted(d.lun) {
		err = d.s.exorciseDisk(ctx, d)
	}
	if err == nil {
		err = d.verifyHold(ctx, now)
	}
	return d.conclude(c, x, announced, now, err)
}

// ask returns what the logical unit tells of itself, if it is the same as before.
func (d *Disk) ask(ctx context.Context, accept bool) (*DiskInfo, error) {
	p := prober{s: d.s, lun: d.lun, internal: true}
	now, err := p.probe(ctx)
	if err != nil {
		return nil, err
	}
	was := d.info.Load()
	now.complete(was)
	if err := sameUnit(was, now); err != nil {
		if p.doubt != nil {
			return nil, p.doubt
		}
		return nil, p.error("verify", fmt.Errorf("%w: %w", ErrIdentity, err))
	}
	if now.Capacity.Blocks < was.Capacity.Blocks && !accept && !d.acceptsShrink(was, now) {
		return nil, p.error("verify", fmt.Errorf("%w: from %d to %d blocks of %d bytes",
			ErrShrunk, was.Capacity.Blocks, now.Capacity.Blocks, now.Capacity.BlockSize))
	}
	return now, nil
}

func (d *Disk) acceptsShrink(was, now *DiskInfo) bool {
	from, _ := was.Capacity.Bytes()
	to, _ := now.Capacity.Bytes()
	accept := d.s.cfg.AcceptShrink
	return accept != nil && accept(d.lun, from, to)
}

// conclude changes the state of the disk by what an examination has shown, and
// tells the user what changed.
func (d *Disk) conclude(c *conn, x examination, announced eventSet, now *DiskInfo, err error) error {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c || c.err != nil || d.state == DiskClosed {
		// What was learned is of a connection that is no more.
		d.announced |= announced
		return d.errorLocked("verify", ErrSessionLost)
	}
	if err == nil {
		was := d.info.Swap(now)
		news := changes(was, now)
		if news.has(InquiryChanged) {
			d.ways.forget()
		}
		d.changeLocked(DiskReady, nil)
		s.tellAllLocked(d.lun, announced|news)
		return nil
	}
	d.announced |= announced
	why := d.asErrorLocked(err)
	absent := errors.Is(err, ErrNotDisk)
	switch {
	case errors.Is(err, ErrIdentity), errors.Is(err, ErrShrunk):
		d.announced = 0
		d.changeLocked(DiskRefused, why)
	// A disk that is in use and merely silent has a ladder for its commands.
	case d.state == DiskReady && !absent, !x.keeper && !absent:
	// What is known of a refused one holds until it tells something else.
	case d.state == DiskRefused && !absent:
	case d.state.usable():
		d.removed.Store(absent && (d.state == DiskReady || d.removed.Load()))
		d.changeLocked(DiskAway, why)
		d.waitLocked(0)
	default: // still, and its commands fail for the same reason as before
		d.changeLocked(DiskLost, d.errorLocked("verify", fmt.Errorf("%w: %w", ErrLUNLost, why.Err)))
	}
	return err
}

// asErrorLocked returns err as it leaves this package.
func (d *Disk) asErrorLocked(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return d.errorLocked("verify", err)
}

// changes names what differs.
func changes(was, is *DiskInfo) (set eventSet) {
	if was.Capacity != is.Capacity {
		set.add(CapacityChanged)
	}
	if was.Mode != is.Mode {
		set.add(ModeChanged)
	}
	a, b := *was, *is
	a.Capacity, a.Mode = b.Capacity, b.Mode
	if !reflect.DeepEqual(a, b) {
		set.add(InquiryChanged)
	}
	return set
}

// SameUnit tells whether what a logical unit told of itself at two times can be of one
// logical unit; the error says what differs. A disk is proven in the same way after
// each new login.
func SameUnit(was, is DiskInfo) error {
	if err := sameUnit(&was, &is); err != nil {
		return fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	return nil
}

// sameUnit compares by the designator of VPD page 83h, else by the serial
// number, else by vendor, product and capacity. The block size must fit in any
// case. A designator that is not unique in the world, like those that tgt makes of
// the numbers of target and LUN, may be that of another unit by now: the serial
// number must be the same too, where one was told.
func sameUnit(was, is *DiskInfo) error {
	if was.Capacity.BlockSize != is.Capacity.BlockSize {
		return fmt.Errorf("its blocks have %d bytes, not %d", is.Capacity.BlockSize, was.Capacity.BlockSize)
	}
	a, named := scsi.BestDesignator(was.Designators)
	b, _ := scsi.BestDesignator(is.Designators)
	switch {
	case named && (a.Type != b.Type || !bytes.Equal(a.Value, b.Value)):
		return fmt.Errorf("its designator is %x, not %x", b.Value, a.Value)
	case named && a.WorldWideUnique():
		return nil
	case was.Serial != is.Serial && was.Serial != "": // else none is known that could be another
		return fmt.Errorf("its serial number is %q, not %q", is.Serial, was.Serial)
	case named || was.Serial != "":
		return nil
	case was.Inquiry.Vendor != is.Inquiry.Vendor || was.Inquiry.Product != is.Inquiry.Product ||
		was.Capacity.Blocks != is.Capacity.Blocks:
		return fmt.Errorf("it is %s %s with %d blocks, not %s %s with %d", is.Inquiry.Vendor, is.Inquiry.Product,
			is.Capacity.Blocks, was.Inquiry.Vendor, was.Inquiry.Product, was.Capacity.Blocks)
	}
	return nil
}
