package initiator

import "github.com/iscsifs/iscsifs/initiator/scsi"

// attentionLocked acts on what a unit attention condition, or an asynchronous
// SCSI event, announces of a logical unit.
func (s *Session) attentionLocked(lun scsi.LUN, sense scsi.Sense) {
	switch sense.Attention() {
	case scsi.NoAttention:
		return
	case scsi.ResetAttention:
		s.lostWritesLocked(lun, sense)
	default:
		s.cfg.Logger.Info().Str("target", s.cfg.TargetName).Stringer("lun", lun).Stringer("sense", sense).Msg("unit attention")
	}
}

// lostWritesLocked notes that the target may have lost what was not
// synchronized.
func (s *Session) lostWritesLocked(lun scsi.LUN, sense scsi.Sense) {
	d := s.disks[lun]
	if d == nil {
		return // being probed: nothing was written yet
	}
	d.epoch.Add(1)
	if s.state == Recovering {
		return // every new login counts as a loss, see Disk.verified
	}
	s.cfg.Logger.Warn().Str("target", s.cfg.TargetName).Stringer("lun", lun).Stringer("sense", sense).
		Msg("the target may have lost writes that were not synchronized")
}
