package initiator

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// verify asks the logical unit again what it is, after a new login and before
// any command of a caller is sent, and compares.
func (d *Disk) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.s.cfg.CommandTimeout)
	defer cancel()
	p := prober{s: d.s, lun: d.lun, internal: true}
	now, err := p.probe(ctx)
	if err != nil {
		return err
	}
	if err := sameUnit(d.info.Load(), now); err != nil {
		return p.error("verify", fmt.Errorf("%w: %w", ErrIdentity, err))
	}
	d.info.Store(now)
	return nil
}

// verified takes note of the outcome: a new login may have cost the target its
// cache, and a LUN that is not what it was is not used any more.
func (d *Disk) verified(err error) {
	d.epoch.Add(1)
	if err == nil {
		d.gone.Store(nil)
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		e = d.error("verify", err)
	}
	d.s.cfg.Logger.Error().Err(e).Msg("the LUN is not used until it is the same again")
	d.fail(e)
}

// sameUnit compares by the designator of VPD page 83h, else by the serial
// number, else by vendor, product and capacity. Block size and capacity must fit
// in any case.
func sameUnit(was, is *DiskInfo) error {
	if was.Capacity.BlockSize != is.Capacity.BlockSize {
		return fmt.Errorf("its blocks have %d bytes, not %d", is.Capacity.BlockSize, was.Capacity.BlockSize)
	}
	if is.Capacity.Blocks < was.Capacity.Blocks {
		return fmt.Errorf("its capacity fell from %d to %d blocks", was.Capacity.Blocks, is.Capacity.Blocks)
	}
	a, named := scsi.BestDesignator(was.Designators)
	b, _ := scsi.BestDesignator(is.Designators)
	switch {
	case named:
		if a.Type != b.Type || !bytes.Equal(a.Value, b.Value) {
			return fmt.Errorf("its designator is %x, not %x", b.Value, a.Value)
		}
	case was.Serial != "":
		if was.Serial != is.Serial {
			return fmt.Errorf("its serial number is %q, not %q", is.Serial, was.Serial)
		}
	case was.Inquiry.Vendor != is.Inquiry.Vendor || was.Inquiry.Product != is.Inquiry.Product ||
		was.Capacity.Blocks != is.Capacity.Blocks:
		return fmt.Errorf("it is %s %s with %d blocks, not %s %s with %d", is.Inquiry.Vendor, is.Inquiry.Product,
			is.Capacity.Blocks, was.Inquiry.Vendor, was.Inquiry.Product, was.Capacity.Blocks)
	}
	return nil
}
