package target

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// TestErrors asks for what cannot be had.
func TestErrors(t *testing.T) {
	target := start(t, Config{QuietLogin: true, LUNs: []*LUN{NewMemoryLUN(1<<20, 512), NewMemoryLUN(1<<20, 512, ReadOnly(), WithoutSynchronize(), WithoutCachingPage())}})
	p := dial(t, target).login()
	for _, c := range []struct {
		name                 string
		lun                  byte
		cdb                  []byte
		key, code, qualifier byte
	}{
		{"unknown opcode", 0, []byte{0xc1}, 5, 0x20, 0},
		{"unknown LUN", 9, []byte{OpTestUnitReady}, 5, 0x25, 0},
		{"beyond the end", 0, []byte{OpRead10, 0, 0, 0, 8, 0, 0, 0, 1}, 5, 0x21, 0},
		{"RDPROTECT", 0, []byte{OpRead10, 0x20, 0, 0, 0, 0, 0, 0, 1}, 5, 0x24, 0},
		{"page code without EVPD", 0, []byte{OpInquiry, 0, 0x83, 0, 96}, 5, 0x24, 0},
		{"unknown VPD page", 0, []byte{OpInquiry, 1, 0xc0, 0, 96}, 5, 0x24, 0},
		{"UNMAP on a thick LUN", 0, []byte{OpUnmap, 0, 0, 0, 0, 0, 0, 0, 24}, 5, 0x20, 0},
		{"WRITE SAME with UNMAP on a thick LUN", 0, []byte{OpWriteSame10, 8, 0, 0, 0, 0, 0, 0, 1}, 5, 0x24, 0},
		{"write protected", 1, write10(0, 1), 7, 0x27, 0},
		{"no SYNCHRONIZE CACHE", 1, []byte{OpSynchronizeCache10}, 5, 0x20, 0},
		{"no caching page", 1, []byte{OpModeSense6, 0, 0x08, 0, 64}, 5, 0x24, 0},
		{"saved mode pages", 0, []byte{OpModeSense6, 0, 0xc8, 0, 64}, 5, 0x39, 0},
	} {
		k := reading(p.command(c.cdb, 64))
		k.LUN[1] = c.lun
		p.write(k, nil)
		if _, status, sense := p.response(); status != statusCheckCondition || !senseIs(sense, c.key, c.code, c.qualifier) {
			t.Errorf("%s: status %#x, sense % x", c.name, status, sense)
		}
	}
}

func TestDescriptorSense(t *testing.T) {
	target := start(t, Config{QuietLogin: true, DescriptorSense: true})
	p := dial(t, target).login()
	p.write(p.command([]byte{0xc1}, 0), nil)
	if _, _, sense := p.response(); !bytes.Equal(sense, []byte{0x72, 5, 0x20, 0, 0, 0, 0, 0}) {
		t.Errorf("sense % x", sense)
	}
}

// TestAddressing reaches LUNs through the fields that REPORT LUNS gives, and
// through no other where the form is fixed.
func TestAddressing(t *testing.T) {
	var luns []*LUN
	for _, n := range []uint64{0, 255, 256, 16383, 16384, 1<<24 - 1} {
		luns = append(luns, NewMemoryLUN(1<<20, 512, Number(n), Identity("V", "P", strconv.FormatUint(n, 10))))
	}
	luns = append(luns, NewMemoryLUN(1<<20, 512, Number(7), Addressing(Flat), Identity("V", "P", "7")),
		NewMemoryLUN(1<<20, 512, Number(8), Addressing(Extended), Identity("V", "P", "8")))
	target := start(t, Config{QuietLogin: true, LUNs: luns})
	p := dial(t, target).login()
	p.write(reading(p.command([]byte{OpReportLUNs, 0, 0, 0, 0, 0, 0, 0, 0, 200}, 200)), nil)
	data, _, _ := p.response()
	want := map[uint32]string{0: "0", 0x00ff0000: "255", 0x41000000: "256", 0x7fff0000: "16383", 0xd2004000: "16384",
		0xd2ffffff: "16777215", 0x40070000: "7", 0xd2000008: "8"}
	if got := int(binary.BigEndian.Uint32(data)); got != 8*len(want) || len(data) != 8+got {
		t.Fatalf("LUN list length %d", got)
	}
	serial := func(field []byte) string {
		k := reading(p.command([]byte{OpInquiry, 1, 0x80, 0, 64}, 64))
		copy(k.LUN[:], field)
		p.write(k, nil)
		page, _, _ := p.response()
		if len(page) < 4 {
			return ""
		}
		return string(page[4:])
	}
	for field := data[8:]; len(field) > 0; field = field[8:] {
		if got := serial(field[:8]); got != want[binary.BigEndian.Uint32(field)] {
			t.Errorf("field % x leads to the LUN with the serial number %q", field[:8], got)
		}
	}
	if serial([]byte{0, 7}) == "7" {
		t.Error("a flat address is reached through a peripheral one")
	}
}

// TestResiduals compares expected and real lengths.
func TestResiduals(t *testing.T) {
	target := start(t, Config{QuietLogin: true, SeparateStatus: true})
	p := dial(t, target).login()
	for _, c := range []struct {
		edtl      uint32
		want      pdu.Residual
		delivered int
	}{{512, pdu.Residual{}, 512}, {1024, pdu.Residual{Underflow: true, Count: 512}, 512}, {200, pdu.Residual{Overflow: true, Count: 312}, 200}} {
		p.write(reading(p.command(read10(0, 1), c.edtl)), nil)
		if n := len(p.read().Data); n != c.delivered {
			t.Errorf("%d bytes for an EDTL of %d", n, c.edtl)
		}
		var r pdu.SCSIResponse
		if u := p.read(); r.Unmarshal(&u.Header) != nil || r.Residual != c.want || r.ExpDataSN != 1 {
			t.Errorf("EDTL %d: %+v", c.edtl, r)
		}
	}
}

// TestThinLUN unmaps and asks what is left.
func TestThinLUN(t *testing.T) {
	const size = 64 << 10
	const chunk = size / 512
	for name, c := range map[string]struct {
		option Option
		after  byte
	}{"LBPRZ": {Thin(), 0}, "undefined": {ThinUndefined(), 0xa5}} {
		t.Run(name, func(t *testing.T) {
			l := NewMemoryLUN(1<<20, 512, c.option)
			l.WriteAt(bytes.Repeat([]byte{7}, 3*size), 0)
			target := start(t, Config{QuietLogin: true, LUNs: []*LUN{l}})
			p := dial(t, target).login()
			list := make([]byte, 24)
			binary.BigEndian.PutUint16(list, 22)
			binary.BigEndian.PutUint16(list[2:], 16)
			binary.BigEndian.PutUint64(list[8:], chunk)
			binary.BigEndian.PutUint32(list[16:], chunk)
			p.write(writing(p.command([]byte{OpUnmap, 0, 0, 0, 0, 0, 0, 0, 24}, 24)), list)
			if _, status, sense := p.response(); status != statusGood {
				t.Fatalf("UNMAP: % x", sense)
			}
			for lba, want := range map[int64]byte{chunk - 1: 7, chunk: c.after, 2*chunk - 1: c.after, 2 * chunk: 7} {
				if got := blockAt(target, lba); !bytes.Equal(got, block(want)) {
					t.Errorf("block %d holds %#x, expected %#x", lba, got[0], want)
				}
			}
			if !l.ReadZeroes {
				return
			}
			p.write(reading(p.command([]byte{OpServiceActionIn16, saGetLBAStatus, 13: 200}, 200)), nil)
			data, _, _ := p.response()
			var got []byte
			for d := data[8:]; len(d) >= 16; d = d[16:] {
				got = append(got, d[7], d[11], d[12])
			}
			if want := []byte{0, chunk, 0, chunk, chunk, 1, 0, chunk, 0}; len(got) < 9 || !bytes.Equal(got[:3], want[:3]) || !bytes.Equal(got[3:6], want[3:6]) || got[8] != 0 {
				t.Errorf("GET LBA STATUS gave %v", got)
			}
		})
	}
}
