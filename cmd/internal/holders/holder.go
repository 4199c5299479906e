package holders

import (
	"fmt"
	"strings"
)

// Kind is what a holder is.
type Kind string

// The kinds of holders.
const (
	Process      Kind = "process"
	BindMount    Kind = "bind mount"
	Loop         Kind = "loop device"
	Mount        Kind = "mount"
	VolumeGroup  Kind = "volume group"
	DeviceMapper Kind = "device mapper" // LUKS and what else is no volume group
	RAID         Kind = "raid"
	Swap         Kind = "swap"
)

// Holder is one thing that keeps a file in use.
type Holder struct {
	LUNPath    string // the file, or the directory that is a working directory
	Kind       Kind
	Name       string // of the process, device, mountpoint or group
	PID        int    // of a process
	User       string // of a process: name or number
	Inside     bool   // a process that has no more than its working directory there
	SectorSize int    // of a loop device, in bytes; 0 for others and where it cannot be told
	Command    string // what frees it; "" for a loop device that goes by itself with what stands on it
}

// String says it in one line: "/mnt/luns/lun0: process 123 (dd, user bob): kill 123".
func (h Holder) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s ", h.LUNPath, h.Kind)
	if h.Kind == Process {
		fmt.Fprintf(&b, "%d (%s, user %s)", h.PID, h.Name, h.User)
	} else {
		b.WriteString(h.Name)
	}
	if h.Inside {
		b.WriteString(", whose working directory it is (`cd /` there will do)")
	}
	if h.Command != "" {
		b.WriteString(": " + h.Command)
	}
	return b.String()
}

// Note is a sentence on what could not be seen.
type Note string
