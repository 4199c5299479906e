package initiator

import (
	"context"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Allocation lengths of REPORT LUNS in bytes: 8 for each LUN and 8 of header. The
// longest is that of all numbers of flat space addressing (SAM-5, Section 4.7).
const (
	firstReport = 8 << 10
	maxReport   = 8 + 8<<14
)

// LUNs asks the target for its logical units (REPORT LUNS, SPC-4, Section
// 6.33), in the target's order and with all eight bytes as the target gave them.
// Not all of them need be disks, see [Session.OpenDisk].
func (s *Session) LUNs(ctx context.Context) ([]scsi.LUN, error) {
	for alloc := firstReport; ; {
		// SPC-4, 6.33: every target answers at LUN 0.
		b, err := s.query(ctx, false, scsi.LUN{}, scsi.ReportLUNs(uint32(alloc)), make([]byte, alloc))
		if err != nil {
			return nil, err
		}
		luns, total, err := scsi.ParseReportLUNs(b)
		switch {
		case err != nil:
			return nil, s.error("REPORT LUNS", fmt.Errorf("%w: %w", ErrProtocol, err))
		case total <= alloc:
			return luns, nil
		case total > maxReport:
			return nil, s.error("REPORT LUNS", fmt.Errorf("%w: a list of %d bytes, more than %d", ErrProtocol, total, maxReport))
		}
		alloc = min(max(total, 2*alloc), maxReport) // few rounds, also if each answer claims more
	}
}
