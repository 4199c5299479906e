package initiator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Bounds of the block size in bytes.
const (
	minBlockSize = 512
	maxBlockSize = 64 << 10
)

// prober asks a logical unit what it is.
type prober struct {
	s        *Session
	lun      scsi.LUN
	internal bool  // while the session recovers
	doubt    error // why a page is missing that the target may know after all
}

// probe asks everything. What a disk may lack is left at its zero value.
func (p *prober) probe(ctx context.Context) (*DiskInfo, error) {
	info := &DiskInfo{LUN: p.lun}
	if err := p.inquiry(ctx, info); err != nil {
		return nil, err
	}
	// The first commands of a session meet unit attentions; they are answered
	// by sending the command again, so that a TEST UNIT READY drains them all.
	if err := p.medium(ctx, info); err != nil {
		return nil, err
	}
	if err := p.pages(ctx, info); err != nil {
		return nil, err
	}
	if err := p.mode(ctx, info); err != nil {
		return nil, err
	}
	info.UdevID = scsi.UdevID(info.Designators, info.Inquiry.Vendor, info.Inquiry.Product, info.Serial)
	return info, nil
}

// medium asks what a path in the access state standby or unavailable does not
// tell.
func (p *prober) medium(ctx context.Context, info *DiskInfo) error {
	_, err := p.query(ctx, scsi.TestUnitReady(), 0)
	if err == nil {
		err = p.capacity(ctx, info)
	}
	if _, refused := accessRefused(err); refused && p.s.cfg.path != "" {
		info.Restricted, info.Capacity = true, scsi.Capacity{}
		return nil
	}
	return err
}

func (p *prober) query(ctx context.Context, cdb scsi.CDB, alloc int) ([]byte, error) {
	return p.s.query(ctx, p.internal, p.lun, cdb, make([]byte, alloc))
}

// optional passes over a command that the target does not know or cannot
// answer; it does not pass over a lost session.
func optional(err error) error {
	if errors.Is(err, ErrSCSI) {
		return nil
	}
	return err
}

func (p *prober) error(op string, cause error) *Error {
	err := p.s.error(op, cause)
	err.LUN = p.lun.String()
	return err
}

// inquiry makes sure that there is a disk. A logical unit that is absent says
// so in its INQUIRY data or with sense (SPC-4, Section 6.6.2).
func (p *prober) inquiry(ctx context.Context, info *DiskInfo) error {
	const alloc = 96
	b, err := p.query(ctx, scsi.Inquiry(alloc), alloc)
	var e *Error
	if errors.As(err, &e) && errors.Is(err, ErrSCSI) && scsi.Classify(e.Status, e.Sense) == scsi.NoLogicalUnit {
		return p.error("open", fmt.Errorf("%w: the target has no such LUN", ErrNotDisk))
	}
	if err != nil {
		return err
	}
	if info.Inquiry, err = scsi.ParseInquiry(b); err != nil {
		return p.error("INQUIRY", fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	switch {
	// SPC-4, 5.15.2.4.5: in the state unavailable the peripheral qualifier may be
	// "not connected".
	case info.Inquiry.Qualifier == scsi.QualifierNotConnected && info.Inquiry.TPGS != 0 && p.s.cfg.path != "":
	case info.Inquiry.Qualifier != scsi.QualifierConnected:
		return p.error("open", fmt.Errorf("%w: the target has no such LUN", ErrNotDisk))
	case !info.Inquiry.IsDisk():
		return p.error("open", fmt.Errorf("%w: the LUN is a device of type %02Xh", ErrNotDisk, info.Inquiry.DeviceType))
	}
	return nil
}

// capacity asks with READ CAPACITY (16), which tells of thin provisioning too,
// and with (10) where that is not known.
func (p *prober) capacity(ctx context.Context, info *DiskInfo) error {
	c, err := p.capacity16(ctx)
	if err != nil && optional(err) == nil {
		c, err = p.capacity10(ctx)
	}
	if err != nil {
		return err
	}
	info.Capacity = c
	bytes, ok := c.Bytes()
	if size := c.BlockSize; size < minBlockSize || size > maxBlockSize || size&(size-1) != 0 {
		return p.error("READ CAPACITY", fmt.Errorf("%w: logical blocks of %d bytes", ErrNotDisk, size))
	}
	if !ok || bytes == 0 {
		return p.error("READ CAPACITY", fmt.Errorf("%w: %d logical blocks", ErrNotDisk, c.Blocks))
	}
	if c.ProtectionEnabled {
		return p.error("READ CAPACITY", fmt.Errorf("%w: the LUN is formatted with protection information of type %d", ErrNotDisk, c.ProtectionType))
	}
	return nil
}

func (p *prober) capacity16(ctx context.Context) (scsi.Capacity, error) {
	b, err := p.query(ctx, scsi.ReadCapacity16(scsi.ReadCapacity16Len), scsi.ReadCapacity16Len)
	if err != nil {
		return scsi.Capacity{}, err
	}
	return parsed(p, "READ CAPACITY(16)", b, scsi.ParseReadCapacity16)
}

func (p *prober) capacity10(ctx context.Context) (scsi.Capacity, error) {
	b, err := p.query(ctx, scsi.ReadCapacity10(), scsi.ReadCapacity10Len)
	if err != nil {
		return scsi.Capacity{}, err
	}
	return parsed(p, "READ CAPACITY(10)", b, scsi.ParseReadCapacity10)
}

// parsed turns a malformed answer into an error of this package.
func parsed[T any](p *prober, op string, b []byte, parse func([]byte) (T, error)) (T, error) {
	v, err := parse(b)
	if err != nil {
		return v, p.error(op, fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	return v, nil
}

// pages reads the vital product data pages that the logical unit has (SPC-4,
// Section 7.8; SBC-3, Section 6.6). All are optional.
func (p *prober) pages(ctx context.Context, info *DiskInfo) error {
	supported, err := vpd(ctx, p, scsi.VPDSupportedPages, scsi.ParseSupportedPages)
	if err != nil {
		return err
	}
	read := func(page scsi.VPDPage, into func() error) error {
		if !slices.Contains(supported, page) {
			return nil
		}
		return into()
	}
	return join(
		read(scsi.VPDUnitSerial, func() (err error) {
			info.Serial, err = vpd(ctx, p, scsi.VPDUnitSerial, scsi.ParseUnitSerial)
			return err
		}),
		read(scsi.VPDDeviceIdentification, func() (err error) {
			info.Designators, err = vpd(ctx, p, scsi.VPDDeviceIdentification, scsi.ParseDeviceIdentification)
			return err
		}),
		read(scsi.VPDBlockLimits, func() (err error) {
			info.Limits, err = vpd(ctx, p, scsi.VPDBlockLimits, scsi.ParseBlockLimits)
			return err
		}),
		read(scsi.VPDBlockDeviceCharacteristic, func() (err error) {
			info.Medium, err = vpd(ctx, p, scsi.VPDBlockDeviceCharacteristic, scsi.ParseBlockDeviceCharacteristics)
			return err
		}),
		read(scsi.VPDLogicalBlockProvisioning, func() (err error) {
			info.Thin, err = vpd(ctx, p, scsi.VPDLogicalBlockProvisioning, scsi.ParseLogicalBlockProvisioning)
			return err
		}),
	)
}

// vpd reads one page. A page that is refused or malformed counts as absent, but
// for what of it made sense. Where it is refused otherwise than as unknown, that is
// kept as doubt.
func vpd[T any](ctx context.Context, p *prober, page scsi.VPDPage, parse func([]byte) (T, error)) (v T, err error) {
	const alloc = 4096
	b, err := p.query(ctx, scsi.InquiryVPD(page, alloc), alloc)
	if err != nil {
		if !unsupported(err) {
			p.doubt = err
		}
		return v, optional(err)
	}
	v, _ = parse(b)
	return v, nil
}

// mode asks for write protection and the write cache, with MODE SENSE (6), else
// (10). A disk without the caching page still has the header.
func (p *prober) mode(ctx context.Context, info *DiskInfo) error {
	const alloc = 252
	forms := []struct {
		cdb   scsi.CDB
		parse func([]byte) (scsi.ModeData, error)
	}{
		{scsi.ModeSense6(scsi.ModePageCaching, alloc), scsi.ParseModeSense6},
		{scsi.ModeSense10(scsi.ModePageCaching, alloc), scsi.ParseModeSense10},
		{scsi.ModeSense6(scsi.ModePageAll, alloc), scsi.ParseModeSense6},
	}
	for _, form := range forms {
		b, err := p.query(ctx, form.cdb, alloc)
		if optional(err) != nil {
			return err
		}
		if err != nil {
			continue
		}
		if mode, err := form.parse(b); err == nil {
			info.Mode = mode
			return nil
		}
	}
	return nil
}
