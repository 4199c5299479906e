package initiator

import "github.com/iscsifs/iscsifs/initiator/scsi"

// announced are the events that tell of a unit attention.
var announced = map[scsi.Attention]EventKind{
	scsi.CapacityChanged:     CapacityChanged,
	scsi.ModeChanged:         ModeChanged,
	scsi.AccessStateChanged:  AccessStateChanged,
	scsi.ReservationsChanged: ReservationsChanged,
	scsi.IdentityChanged:     InquiryChanged,
	scsi.LUNsChanged:         LUNsChanged,
}

// attentionLocked acts on what a unit attention condition, or an asynchronous
// SCSI event, announces of a logical unit.
func (s *Session) attentionLocked(lun scsi.LUN, sense scsi.Sense) {
	d, attention := s.disks[lun], sense.Attention()
	switch attention {
	case scsi.NoAttention:
		return
	case scsi.ResetAttention:
		s.lostWritesLocked(lun, sense)
	default:
		s.cfg.Logger.Info().Str("target", s.cfg.TargetName).Stringer("lun", lun).Stringer("sense", sense).Msg("unit attention")
	}
	if d != nil && d.unit != nil && (attention == scsi.AccessStateChanged || attention == scsi.ResetAttention) {
		d.unit.accessChanged()
	}
	if d != nil && attention == scsi.SpaceLow {
		d.spaceLowLocked()
	}
	kind := announced[attention]
	switch {
	case d == nil && kind == LUNsChanged:
		s.tellLocked(Event{Kind: LUNsChanged})
	case d != nil && kind != 0:
		d.announceLocked(kind)
	}
	// The next command is not to go out before the reservation is proven: who took it may
	// have let go of it again, and nothing else would keep the command from the medium.
	if d != nil && attention == scsi.ReservationsChanged && d.hold.Load() != nil {
		d.suspectLocked()
	}
	// A logical unit that comes, with another behind its number, reports a power
	// on or a change of its identity.
	if d != nil && (attention == scsi.ResetAttention || attention == scsi.IdentityChanged) {
		if attention == scsi.ResetAttention && d.state == DiskReady {
			s.doubtLocked(d)
		}
		d.suspectLocked()
	}
}

// doubtLocked has the commands of a disk aborted, and sent again, that are under
// way while its logical unit reports a reset: those that it had before were
// aborted, without a word where another initiator did it (SAM-5, Section 5.6).
func (s *Session) doubtLocked(d *Disk) {
	s.slots.all(func(t *task) {
		if t.disk == d && t.kind == kindCommand {
			t.doubtful = true
			s.rescueLocked(d.lun)
		}
	})
}

// lostWritesLocked notes that the target may have lost what was not
// synchronized.
func (s *Session) lostWritesLocked(lun scsi.LUN, sense scsi.Sense) {
	d := s.disks[lun]
	if d == nil {
		return // being probed: nothing was written yet
	}
	d.epoch.Add(1)
	if d.state != DiskReady {
		return // that alone counts as a loss, see Disk.changeLocked
	}
	s.cfg.Logger.Warn().Str("target", s.cfg.TargetName).Stringer("lun", lun).Stringer("sense", sense).
		Msg("the target may have lost writes that were not synchronized")
}
