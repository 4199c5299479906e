package daemon

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/initiator"
)

// troubles are what keeps the LUN from being read or written as it should, with what
// to do about it.
func (l *lun) troubles(mountpoint string) (list []string) {
	s := l.opened.Status()
	to, shrunk := l.shrunk(s.Reason)
	switch {
	case shrunk:
		list = append(list, l.shrunkText(to, mountpoint))
	case s.State > initiator.DiskUnproven:
		list = append(list, fmt.Sprintf("%s since %s%s: %s", s.State, s.Since.Format(time.DateTime), l.kept(mountpoint), reason(s.Reason)))
	}
	if l.volume != nil && l.volume.Late() {
		list = append(list, fmt.Sprintf("held back: %s could not be written for longer than replacement_timeout, and another host may own the LUN by now; `iscsifs sync %s` writes it", humanize.IBytes(uint64(l.dirty())), plain.Quoted(mountpoint)))
	}
	if text := spaceText(s.Space); text != "" {
		list = append(list, fmt.Sprintf("%s, since %s", text, s.SpaceSince.Format(time.DateTime)))
	}
	if l.opened.Info().Mode.WriteProtect {
		list = append(list, "read-only: the target protects it against writes")
	}
	return list
}

// spaceText says what the target has said of space, and what follows.
func spaceText(s initiator.SpaceState) string {
	switch s {
	case initiator.SpaceLow:
		return "the target's soft threshold of space is reached: enlarge its pool, or discard what file systems do not use (fstrim), before writes fail"
	case initiator.SpaceExhausted:
		return "the target has no space left: what cannot be written is kept, and tried again; enlarge its pool, or discard what file systems do not use (fstrim)"
	}
	return ""
}

// kept says what becomes of the data of a LUN that is lost.
func (l *lun) kept(mountpoint string) string {
	if l.volume == nil || l.dirty() == 0 {
		return ""
	}
	return fmt.Sprintf(", and %s that is not on the target is kept until it comes back, or until `iscsifs umount --discard-dirty %s`", humanize.IBytes(uint64(l.dirty())), plain.Quoted(mountpoint))
}
