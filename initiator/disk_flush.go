package initiator

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// flushForm is the form of SYNCHRONIZE CACHE that a target knows.
type flushForm int32

const (
	flush16 flushForm = iota // until it is refused
	flush10
	// flushNone: the target knows neither form. Without a volatile cache, or
	// without a page that would tell of one, it is taken at its word.
	flushNone
)

// FlushUnsupported tells whether the target knows no form of SYNCHRONIZE CACHE.
func (d *Disk) FlushUnsupported() bool { return flushForm(d.flush.Load()) == flushNone }

// Sync makes durable what the target has answered GOOD for: SYNCHRONIZE CACHE
// (16), else (10), of the whole medium (SBC-3, Sections 5.28 and 5.29). It is
// sent whatever the target says of its cache: WCE=0 has been seen to lie.
func (d *Disk) Sync(ctx context.Context) error {
	if gone := d.gone.Load(); gone != nil {
		return gone
	}
	if lost := d.lostHold(); lost != nil {
		return lost
	}
	for {
		form := flushForm(d.flush.Load())
		if form == flushNone {
			return d.withoutFlush()
		}
		err := d.synchronize(ctx, form)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrSCSI) || scsi.Classify(e.Status, e.Sense) != scsi.NotSupported {
			return err
		}
		d.flush.CompareAndSwap(int32(form), int32(form)+1)
	}
}

// withoutFlush says what a missing SYNCHRONIZE CACHE means.
func (d *Disk) withoutFlush() error {
	if mode := d.info.Load().Mode; mode.CachingPage && mode.WCE {
		return d.error("SYNCHRONIZE CACHE", fmt.Errorf("%w: the target has a volatile write cache and no way to synchronize it", ErrNoFlush))
	}
	return nil
}

func (d *Disk) synchronize(ctx context.Context, form flushForm) error {
	cdb := scsi.SynchronizeCache16(0, 0)
	if form == flush10 {
		cdb = scsi.SynchronizeCache10(0, 0)
	}
	_, err := d.do(ctx, d.slowCommand(cdb))
	return err
}
