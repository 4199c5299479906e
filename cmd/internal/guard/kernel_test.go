package guard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

var (
	naa  = []byte{0x60, 1, 0x40, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
	unit = Unit{Designators: []scsi.Designator{{CodeSet: scsi.CodeSetBinary, Type: scsi.DesignatorNAA, Value: naa}}}
)

// disk makes the sysfs of one disk of the kernel's own initiator.
func disk(t *testing.T, files map[string]string) string {
	t.Helper()
	sys := t.TempDir()
	device := filepath.Join(sys, "devices/platform/host3/session7/target3:0:0/3:0:0:1")
	for _, dir := range []string{device, filepath.Join(sys, "block/sdb")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(device, filepath.Join(sys, "block/sdb/device")); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(device, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return sys
}

func pg83(designator ...byte) string {
	return string(append([]byte{0, 0x83, 0, byte(len(designator))}, designator...))
}

func TestKernelDiskByDesignator(t *testing.T) {
	sys := disk(t, map[string]string{"vpd_pg83": pg83(append([]byte{1, 3, 0, 16}, naa...)...)})
	err := KernelDisk(sys, unit, "LUN 1")
	var held *HeldError
	if !errors.As(err, &held) || exitcode.Of(err) != int(exitcode.InUse) {
		t.Fatal(err)
	}
	for _, text := range []string{"LUN 1", "/dev/sdb", "iscsiadm -m session -r 7 -u", "--shared"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func TestKernelDiskOther(t *testing.T) {
	other := append([]byte{1, 3, 0, 16}, naa...)
	other[len(other)-1]++
	port := append([]byte{1, 0x13, 0, 16}, naa...) // the same value names a target port
	serial := Unit{Serial: "42", Vendor: "V", Product: "P"}
	for name, tt := range map[string]struct {
		files map[string]string
		unit  Unit
	}{
		"another designator":   {map[string]string{"vpd_pg83": pg83(other...)}, unit},
		"a port's designator":  {map[string]string{"vpd_pg83": pg83(port...)}, unit},
		"no pages":             {nil, unit},
		"malformed":            {map[string]string{"vpd_pg83": "\x00\x83\xff"}, unit},
		"same serial, product": {map[string]string{"vpd_pg80": "\x00\x80\x00\x0242", "vendor": "V\n", "model": "Q\n"}, serial},
		"no serial at all":     {map[string]string{"vpd_pg80": "\x00\x80\x00\x00", "vendor": "\n", "model": "\n"}, Unit{}},
	} {
		if err := KernelDisk(disk(t, tt.files), tt.unit, "it"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKernelDiskBySerial(t *testing.T) {
	sys := disk(t, map[string]string{"vpd_pg80": "\x00\x80\x00\x0242", "vendor": "V       \n", "model": "P   \n"})
	err := KernelDisk(sys, Unit{Serial: "42", Vendor: "V", Product: "P"}, "it")
	if !errors.As(err, new(*HeldError)) {
		t.Error(err)
	}
}
