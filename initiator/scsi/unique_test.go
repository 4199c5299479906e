package scsi

import "testing"

func TestWorldWideUnique(t *testing.T) {
	naa := func(b ...byte) Designator { return Designator{Type: DesignatorNAA, Value: b} }
	for _, c := range []struct {
		name string
		d    Designator
		want bool
	}{
		{"NAA 6 of LIO", naa6, true},
		{"NAA 6 of tgt", naa(0x60, 0, 0, 0, 0, 0, 0, 0, 0x0e, 0, 0, 0, 0, 1, 0, 1), false},
		{"NAA 5", naa(0x50, 0x01, 0x40, 0x5d, 0x27, 0xe5, 0xd8, 0x98), true},
		{"NAA 5 without a company", naa(0x50, 0, 0, 0x01, 0x27, 0xe5, 0xd8, 0x98), false},
		{"NAA 2", naa(0x20, 0x01, 0x00, 0x14, 0x05, 0xe5, 0xd8, 0x98), true},
		{"NAA 2 without a company", naa(0x2f, 0xff, 0, 0, 0, 1, 2, 3), false},
		{"NAA 3, locally assigned", naa(0x30, 0, 0, 0x01, 0, 0, 0, 0x01), false},
		{"NAA 6, cut short", naa(0x60, 0x01, 0x40), false},
		{"EUI-64", Designator{Type: DesignatorEUI64, Value: []byte{0, 0x14, 5, 1, 2, 3, 4, 5}}, true},
		{"SCSI name", Designator{Type: DesignatorSCSIName, Value: []byte("naa.6001405d27e5d898")}, true},
		{"T10 vendor ID", t10, false},
		{"empty", Designator{Type: DesignatorNAA}, false},
	} {
		if got := c.d.WorldWideUnique(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
