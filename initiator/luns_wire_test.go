package initiator

import (
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestLUNs: REPORT LUNS of any length (SPC-4, Section 6.33).
func TestLUNs(t *testing.T) {
	for _, n := range []int{0, 1, 300, 1000, 1023, 1024} {
		l := newTargetLab(t, func(tc *target.Config, _ *Config) {
			tc.LUNs = nil
			for range n {
				tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(1<<20, 512))
			}
		})
		l.login()
		luns, err := l.s.LUNs(timeout(t))
		if err != nil {
			t.Fatalf("%d LUNs: %v", n, err)
		}
		if len(luns) != n {
			t.Errorf("%d LUNs, want %d", len(luns), n)
		}
		for i, lun := range luns {
			if number, ok := lun.Number(); !ok || number != uint64(i) {
				t.Fatalf("LUN %d is %v", i, lun)
			}
		}
	}
}

// TestLUNsLie: the LUN LIST LENGTH says how many there would be, not how many
// came.
func TestLUNsLie(t *testing.T) {
	for name, c := range map[string]struct {
		length []byte
		ok     bool
	}{
		"more than came": {[]byte{0, 0, 0, 80}, true},
		"more than fit":  {[]byte{0, 0, 0x40, 0}, true},
		"far more":       {[]byte{0xff, 0xff, 0xff, 0xf8}, false},
		"less":           {[]byte{0, 0, 0, 8}, true},
	} {
		l := newTargetLab(t, func(tc *target.Config, _ *Config) {
			tc.LUNs = []*target.LUN{target.NewMemoryLUN(1<<20, 512), target.NewMemoryLUN(1<<20, 512)}
		})
		l.login()
		l.OnSend(target.OfCommand(target.OpReportLUNs), target.Edit(func(p *target.PDU) {
			if len(p.Data) >= 8 {
				copy(p.Data, c.length)
			}
		}))
		luns, err := l.s.LUNs(timeout(t))
		if (err == nil) != c.ok || c.ok && (len(luns) == 0 || len(luns) > 2) || !c.ok && !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v, %v", name, luns, err)
		}
	}
}

// TestLUNForms: all eight bytes of a LUN go to the target as it reported them
// (SAM-5, Section 4.7): peripheral, flat and extended forms.
func TestLUNForms(t *testing.T) {
	numbers := map[target.AddressForm][]uint64{
		target.Peripheral: {0, 1, 255}, target.Flat: {0, 5, 255, 256, 16383}, target.Extended: {0, 7, 16384, 1 << 20},
	}
	for form, ns := range numbers {
		for _, n := range ns {
			lun := target.NewMemoryLUN(1<<20, 512, target.Addressing(form), target.Number(n))
			l := newTargetLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
			l.login()
			luns, err := l.s.LUNs(timeout(t))
			if err != nil || len(luns) != 1 {
				t.Fatalf("%v LUN %d: %v, %v", form, n, luns, err)
			}
			l.lun, l.disk = lun, l.open(luns[0])
			l.write(pattern(n, 4096), 0)
			l.holds(pattern(n, 4096), 0)
			for _, c := range l.Commands() {
				if c.Opcode == target.OpWrite10 && c.LUN != [8]byte(luns[0]) {
					t.Errorf("LUN %x, reported as %x", c.LUN, luns[0])
				}
			}
		}
	}
}

// TestNotDisks: what is absent or no disk is told apart from trouble.
func TestNotDisks(t *testing.T) {
	l := newTargetLab(t, func(tc *target.Config, _ *Config) {
		tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(1<<20, 512, target.DeviceType(0x05)))
	})
	l.login()
	for _, n := range []uint8{1, 2, 200} {
		if _, err := l.s.OpenDisk(timeout(t), scsi.PeripheralLUN(n)); !errors.Is(err, ErrNotDisk) {
			t.Errorf("LUN %d: %v", n, err)
		}
	}
}

// TestProbe: what a disk may lack or refuse, and which way is taken then.
func TestProbe(t *testing.T) {
	notSupported := target.AnswerWith(target.CheckCondition(0x05, 0x20, 0x00))
	invalidField := target.AnswerWith(target.CheckCondition(0x05, 0x24, 0x00))
	for name, c := range map[string]struct {
		lun    *target.LUN
		script func(l *lab)
		check  func(info DiskInfo) bool
	}{
		"everything": {target.NewMemoryLUN(1<<20, 512, target.WriteCache(), target.Identity("VENDOR", "PRODUCT", "SERIAL")), func(*lab) {},
			func(i DiskInfo) bool {
				return i.Mode.CachingPage && i.Mode.WCE && i.Inquiry.Vendor == "VENDOR" && i.Serial == "SERIAL" && i.UdevID != ""
			}},
		"no READ CAPACITY (16)": {nil, func(l *lab) { l.OnExecute(target.SCSI(target.OpServiceActionIn16), notSupported) },
			func(i DiskInfo) bool { return i.Capacity.Blocks == 16384 && i.Capacity.BlockSize == 512 }},
		"no MODE SENSE (6)": {target.NewMemoryLUN(1<<20, 512, target.ReadOnly()), func(l *lab) { l.OnExecute(target.SCSI(target.OpModeSense6), notSupported) },
			func(i DiskInfo) bool { return i.Mode.CachingPage && i.Mode.WriteProtect }},
		"no MODE SENSE":   {nil, func(l *lab) { l.OnExecute(target.SCSI(target.OpModeSense6, target.OpModeSense10), notSupported) }, func(i DiskInfo) bool { return !i.Mode.CachingPage && !i.Mode.WriteProtect }},
		"no caching page": {target.NewMemoryLUN(1<<20, 512, target.WithoutCachingPage(), target.ReadOnly()), func(*lab) {}, func(i DiskInfo) bool { return !i.Mode.CachingPage && i.Mode.WriteProtect }},
		"no VPD pages": {nil, func(l *lab) {
			l.OnExecute(target.All(target.SCSI(target.OpInquiry), func(e *target.Event) bool { return e.CDB[1] == 1 }), invalidField)
		}, func(i DiskInfo) bool { return i.Serial == "" && len(i.Designators) == 0 }},
		"becoming ready": {nil, func(l *lab) {
			l.OnExecute(target.Between(1, 5, target.SCSI(target.OpTestUnitReady)), target.AnswerWith(target.CheckCondition(0x02, 0x04, 0x01)))
		}, func(i DiskInfo) bool { return i.Capacity.Blocks == 16384 }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTargetLab(t, func(tc *target.Config, _ *Config) {
				if c.lun != nil {
					tc.LUNs = []*target.LUN{c.lun}
				}
			})
			c.script(l)
			l.login()
			if d := l.open(scsi.LUN{}); !c.check(d.Info()) {
				t.Errorf("%+v", d.Info())
			}
		})
	}
}
