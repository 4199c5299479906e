package scsi

import (
	"fmt"
	"testing"
)

func TestNames(t *testing.T) {
	tests := []struct {
		value fmt.Stringer
		want  string
	}{
		{Status(0x00), "GOOD"},
		{Status(0x02), "CHECK CONDITION"},
		{Status(0x04), "CONDITION MET"},
		{Status(0x08), "BUSY"},
		{Status(0x18), "RESERVATION CONFLICT"},
		{Status(0x28), "TASK SET FULL"},
		{Status(0x30), "ACA ACTIVE"},
		{Status(0x40), "TASK ABORTED"},
		{Status(0x22), "unknown(0x22)"},

		{SenseKey(0x3), "MEDIUM ERROR"},
		{SenseKey(0xb), "ABORTED COMMAND"},
		{SenseKey(0xc), "unknown(0xc)"},
		{SenseKey(0xf), "COMPLETED"},
		{SenseKey(0x10), "unknown(0x10)"},

		{VPDPage(0x00), "Supported VPD Pages"},
		{VPDPage(0x80), "Unit Serial Number"},
		{VPDPage(0x83), "Device Identification"},
		{VPDPage(0xb0), "Block Limits"},
		{VPDPage(0xb1), "Block Device Characteristics"},
		{VPDPage(0xb2), "Logical Block Provisioning"},
		{VPDPage(0x86), "unknown(0x86)"},
	}
	for _, tt := range tests {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("%T(%#x).String() = %q, want %q", tt.value, tt.value, got, tt.want)
		}
	}
}
