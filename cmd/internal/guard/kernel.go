package guard

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Unit is what the kernel's disks are compared with.
type Unit struct {
	Designators []scsi.Designator // VPD page 83h; those of the logical unit count
	Serial      string            // VPD page 80h
	Vendor      string            // INQUIRY
	Product     string            // INQUIRY
}

// KernelDisk refuses with a *HeldError a logical unit that is a disk of the
// kernel's already, most likely through its own initiator: the same by a designator
// of VPD page 83h, else, where the unit has none, by vendor, product and serial
// number. sys is where sysfs is mounted, "/sys". It asks no target: the kernel keeps
// the pages of its disks. what names the unit in the error.
func KernelDisk(sys string, unit Unit, what string) error {
	disks, err := filepath.Glob(filepath.Join(sys, "block", "sd*"))
	if err != nil {
		return err
	}
	for _, disk := range disks {
		same, err := unit.is(filepath.Join(disk, "device"))
		if err != nil {
			return fmt.Errorf("cannot tell whether %s is /dev/%s: %w", what, filepath.Base(disk), err)
		}
		if same {
			return kernelHeld(disk, what)
		}
	}
	return nil
}

// is tells whether the SCSI device of a sysfs directory is the unit.
func (u Unit) is(device string) (bool, error) {
	if u.identified() {
		page, err := read(device, "vpd_pg83")
		if err != nil || page == nil {
			return false, err
		}
		// What comes before a fault is as good as without it.
		theirs, _ := scsi.ParseDeviceIdentification(page)
		return u.shares(theirs), nil
	}
	return u.sameSerial(device)
}

// identified tells whether the unit has a designator of its own.
func (u Unit) identified() bool {
	for _, d := range u.Designators {
		if identifies(d) {
			return true
		}
	}
	return false
}

// identifies tells whether a designator names a logical unit and nothing else.
func identifies(d scsi.Designator) bool {
	_, ok := scsi.BestDesignator([]scsi.Designator{d})
	return ok
}

func (u Unit) shares(theirs []scsi.Designator) bool {
	for _, ours := range u.Designators {
		for _, d := range theirs {
			if identifies(ours) && d.Association == ours.Association && d.Type == ours.Type && bytes.Equal(d.Value, ours.Value) {
				return true
			}
		}
	}
	return false
}

func (u Unit) sameSerial(device string) (bool, error) {
	page, err := read(device, "vpd_pg80")
	if err != nil || page == nil || u.Serial == "" {
		return false, err
	}
	serial, err := scsi.ParseUnitSerial(page)
	if err != nil {
		return false, nil // the kernel's disk is malformed, ours is another
	}
	vendor, err := read(device, "vendor")
	if err != nil {
		return false, err
	}
	model, err := read(device, "model")
	if err != nil {
		return false, err
	}
	return serial == u.Serial && equalText(vendor, u.Vendor) && equalText(model, u.Product), nil
}

func equalText(b []byte, text string) bool {
	return strings.TrimSpace(string(b)) == strings.TrimSpace(text)
}

// read returns a file of a SCSI device; nil where the device has no such page.
func read(device, file string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(device, file))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, nil
	}
	return b, err
}

// sessionOf finds the kernel initiator's session in the path of a SCSI device.
var sessionOf = regexp.MustCompile(`/session(\d+)/`)

// kernelHeld says which disk it is and how to free it.
func kernelHeld(disk, what string) error {
	held := &HeldError{What: what, Kernel: "/dev/" + filepath.Base(disk),
		Hint: "use one of the two only, or give --shared if both know how to share it"}
	device, err := filepath.EvalSymlinks(filepath.Join(disk, "device"))
	if err != nil {
		return held
	}
	if m := sessionOf.FindStringSubmatch(device + "/"); m != nil {
		held.Kernel += ", a disk of its own initiator"
		held.Hint = fmt.Sprintf("log out there with `iscsiadm -m session -r %s -u`, or give --shared if both know how to share it", m[1])
	}
	return held
}
