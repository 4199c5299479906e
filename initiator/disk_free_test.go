package initiator

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// newSizedLab is a lab with a LUN of its own, full of a pattern, which is returned.
func newSizedLab(t *testing.T, size int64, blockSize int, options ...target.Option) (*lab, []byte) {
	t.Helper()
	lun := target.NewMemoryLUN(size, blockSize, options...)
	content := pattern(uint64(size), int(size))
	if _, err := lun.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
	l.lun = lun
	return l, content
}

// newThinLab is one whose LUN, of 8 MiB, is thin.
func newThinLab(t *testing.T, options ...target.Option) (*lab, []byte) {
	t.Helper()
	return newSizedLab(t, 8<<20, 512, append([]target.Option{target.Thin()}, options...)...)
}

// changing names the commands that the target was sent, after the first so many,
// which zero or free blocks or ask for them: S10 and S16 are WRITE SAME, with N for
// NDOB and U for UNMAP.
func (l *lab) changing(after int) string {
	var names []string
	for _, c := range l.Commands()[after:] {
		switch c.Opcode {
		case target.OpWriteSame10, target.OpWriteSame16:
			name := map[byte]string{target.OpWriteSame10: "S10", target.OpWriteSame16: "S16"}[c.Opcode]
			if c.CDB[1]&0x01 != 0 {
				name += "N"
			}
			if c.CDB[1]&0x08 != 0 {
				name += "U"
			}
			names = append(names, name)
		case target.OpUnmap:
			names = append(names, "unmap")
		case target.OpWrite10, target.OpWrite16:
			names = append(names, "write")
		case target.OpServiceActionIn16:
			if c.CDB[1]&0x1f == 0x12 {
				names = append(names, "status")
			}
		}
	}
	return strings.Join(slices.Compact(names), " ")
}

// withFlag matches WRITE SAME with a bit of byte 1 set.
func withFlag(bit byte) target.Match {
	same := target.SCSI(target.OpWriteSame10, target.OpWriteSame16)
	return func(e *target.Event) bool { return same(e) && e.CDB[1]&bit != 0 }
}

var (
	answerOpcode = target.AnswerWith(target.CheckCondition(0x05, 0x20, 0x00))
	answerField  = target.AnswerWith(target.CheckCondition(0x05, 0x24, 0x00))
	answerList   = target.AnswerWith(target.CheckCondition(0x05, 0x26, 0x00))
	answerLength = target.AnswerWith(target.CheckCondition(0x05, 0x1a, 0x00))
)

// TestZeroWays: what the target refuses is not sent again, and the next best way is
// taken within the same call.
func TestZeroWays(t *testing.T) {
	for name, c := range map[string]struct {
		options []target.Option
		first   string
		second  string
	}{
		"all known":        {nil, "S16N", "S16N"},
		"NDOB refused":     {[]target.Option{target.WithoutNDOB()}, "S16N S16", "S16"},
		"NDOB overlooked":  {[]target.Option{target.OverlookingNDOB()}, "S16N S16", "S16"},
		"(16) unknown":     {[]target.Option{target.Unknown(target.OpWriteSame16)}, "S16N S16 S10", "S10"},
		"both unknown":     {[]target.Option{target.Unknown(target.OpWriteSame16, target.OpWriteSame10)}, "S16N S16 S10 write", "write"},
		"thin, no zeroes":  {[]target.Option{target.ThinUndefined()}, "S16N", "S16N"},
		"never with UNMAP": {[]target.Option{target.Thin()}, "S16N", "S16N"},
	} {
		t.Run(name, func(t *testing.T) {
			l, content := newSizedLab(t, 8<<20, 512, c.options...)
			for i, want := range []string{c.first, c.second} {
				off := int64(i)*2<<20 + 512
				after := len(l.Commands())
				if err := l.disk.Zero(timeout(t), off, 2<<20); err != nil {
					t.Fatal(err)
				}
				clear(content[off : off+2<<20])
				l.holds(content, 0)
				if got := l.changing(after); got != want {
					t.Errorf("call %d sent %q, want %q", i+1, got, want)
				}
			}
		})
	}
}

// TestNDOBIsProven: that a target takes no notice of NDOB does not hide behind blocks that
// read as zeroes before; then NDOB is not used.
func TestNDOBIsProven(t *testing.T) {
	l, content := newSizedLab(t, 8<<20, 512)
	clear(content[:1<<20])
	if _, err := l.lun.WriteAt(content[:1<<20], 0); err != nil {
		t.Fatal(err)
	}
	l.OnExecute(withFlag(0x01), target.AnswerWith(target.Answer{})) // GOOD, and nothing is done
	for _, off := range []int64{0, 2 << 20} {
		if err := l.disk.Zero(timeout(t), off, 1<<20); err != nil {
			t.Fatal(err)
		}
		clear(content[off : off+1<<20])
	}
	l.holds(content, 0)
	if got := l.changing(0); got != "S16 S16N S16" {
		t.Errorf("sent %q", got)
	}
}

// TestZeroRefusals: 05/20, 05/24, 05/26 and 05/1A refuse, whatever form they meet; a
// failure of the medium under NDOB, which nobody may have known, does too; any other
// error is one.
func TestZeroRefusals(t *testing.T) {
	medium := target.AnswerWith(target.CheckCondition(0x03, 0x0c, 0x00))
	for name, c := range map[string]struct {
		match  target.Match
		action target.Action
		sent   string
		errno  syscall.Errno
	}{
		"opcode":             {withFlag(0), answerOpcode, "S16N", 0},
		"field":              {target.SCSI(target.OpWriteSame16), answerField, "S16N S16 S10", 0},
		"list":               {target.SCSI(target.OpWriteSame16), answerList, "S16N S16 S10", 0},
		"length":             {target.SCSI(target.OpWriteSame16), answerLength, "S16N S16 S10", 0},
		"medium with NDOB":   {withFlag(0x01), medium, "S16N S16", 0},
		"medium without":     {target.SCSI(target.OpWriteSame16), medium, "S16N S16", syscall.EIO},
		"space":              {target.SCSI(target.OpWriteSame16), target.AnswerWith(target.CheckCondition(0x07, 0x27, 0x07)), "S16N", syscall.ENOSPC},
		"protected":          {target.SCSI(target.OpWriteSame16), target.AnswerWith(target.CheckCondition(0x07, 0x27, 0x00)), "S16N", syscall.EROFS},
		"beyond the end":     {target.SCSI(target.OpWriteSame16), target.AnswerWith(target.CheckCondition(0x05, 0x21, 0x00)), "S16N", syscall.ENOSPC},
		"reserved elsewhere": {target.SCSI(target.OpWriteSame16), target.AnswerWith(target.Answer{Status: 0x18}), "S16N", syscall.EBADE},
	} {
		t.Run(name, func(t *testing.T) {
			l, content := newSizedLab(t, 1<<20, 512)
			if name != "opcode" {
				l.OnExecute(c.match, c.action)
			}
			after := len(l.Commands())
			err := l.disk.Zero(timeout(t), 0, 64<<10)
			var e *Error
			if c.errno != 0 && (!errors.As(err, &e) || e.Errno() != c.errno) || c.errno == 0 && err != nil {
				t.Errorf("error %v, want %v", err, c.errno)
			}
			if got := l.changing(after); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
			if c.errno == 0 {
				clear(content[:64<<10])
			}
			l.holds(content, 0)
		})
	}
}

// TestDeallocateWays: WRITE SAME with UNMAP where it is announced, else UNMAP; what is
// less than a granule is zeroed, without UNMAP.
func TestDeallocateWays(t *testing.T) {
	unmapOnly := target.FreedBy(target.OpUnmap)
	for name, c := range map[string]struct {
		options       []target.Option
		first, second string // "": not supported
	}{
		"all":                   {nil, "S16NU status S16N status S16N", "S16NU status S16N status S16N"},
		"(16)":                  {[]target.Option{target.FreedBy(target.OpWriteSame16)}, "S16NU status S16N status S16N", "S16NU status S16N status S16N"},
		"(16), NDOB refused":    {[]target.Option{target.WithoutNDOB()}, "S16NU S16U status S16N S16 status S16", "S16U status S16 status S16"},
		"(16), NDOB overlooked": {[]target.Option{target.OverlookingNDOB()}, "S16NU S16U status S16N S16 status S16", "S16U status S16 status S16"},
		"(10)":                  {[]target.Option{target.FreedBy(target.OpWriteSame10)}, "S10U status S16N status S16N", "S10U status S16N status S16N"},
		"(10), no (16)": {[]target.Option{target.FreedBy(target.OpWriteSame10), target.Unknown(target.OpWriteSame16)},
			"S10U status S16N S16 S10 status S10", "S10U status S10 status S10"},
		"UNMAP":                {[]target.Option{unmapOnly}, "status unmap status S16N status S16N", "status unmap status S16N status S16N"},
		"UNMAP, writes":        {[]target.Option{unmapOnly, target.Unknown(target.OpWriteSame16, target.OpWriteSame10)}, "status unmap status S16N S16 S10 write status write", "status unmap status write status write"},
		"UNMAP after the rest": {[]target.Option{target.Unknown(target.OpWriteSame16, target.OpWriteSame10)}, "S16NU S16U S10U status unmap status S16N S16 S10 write status write", "status unmap status write status write"},
		"edges unproven":       {[]target.Option{target.WithoutLBAStatus()}, "S16NU status S16N", "S16NU S16N"},
		"no proof":             {[]target.Option{unmapOnly, target.WithoutLBAStatus()}, "", ""},
		"nothing announced":    {[]target.Option{target.FreedBy()}, "", ""},
		"no zeroes":            {[]target.Option{target.ThinUndefined()}, "", ""},
		"UNMAP without limits": {[]target.Option{unmapOnly, target.Limits(target.BlockLimits{})}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l, content := newThinLab(t, c.options...)
			for i, want := range []string{c.first, c.second} {
				off := int64(i)*2<<20 + 512
				after := len(l.Commands())
				err := l.disk.Deallocate(timeout(t), off, 1<<20)
				if want == "" {
					cannotFree(t, err)
					if got := l.changing(after); got != "" && got != "status" {
						t.Errorf("call %d sent %q", i+1, got)
					}
					l.holds(content, 0)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				clear(content[off : off+1<<20])
				l.holds(content, 0)
				if got := l.changing(after); got != want {
					t.Errorf("call %d sent %q, want %q", i+1, got, want)
				}
				if at, hole, err := l.disk.Allocation(timeout(t), off+4096); err != nil || !hole && c.options == nil || at <= 0 {
					t.Errorf("afterwards: %d, hole %v, %v", at, hole, err)
				}
			}
		})
	}
}

// TestDeallocateHole: what is less than a granule is left alone where nothing backs it:
// zeroes would take room.
func TestDeallocateHole(t *testing.T) {
	for name, options := range map[string][]target.Option{"WRITE SAME": nil, "UNMAP": {target.FreedBy(target.OpUnmap)}} {
		t.Run(name, func(t *testing.T) {
			l, content := newThinLab(t, options...)
			for _, r := range []span{{0, 1 << 20}, {512, 64<<10 + 512}, {512, 1024}} {
				if err := l.disk.Deallocate(timeout(t), r.off, r.len()); err != nil {
					t.Fatal(err)
				}
				clear(content[r.off:r.end])
			}
			l.holds(content, 0)
			if n, hole, err := l.disk.Allocation(timeout(t), 0); n < 1<<20 || !hole || err != nil {
				t.Errorf("%d bytes, hole %v, %v", n, hole, err)
			}
		})
	}
}

// cannotFree checks the error for what the target cannot do.
func cannotFree(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) || e.Errno() != syscall.EOPNOTSUPP {
		t.Errorf("error %v, want one that is ErrUnsupported and EOPNOTSUPP", err)
	}
}

// TestDeallocateNotThin: a fully provisioned unit frees nothing, is asked nothing, and
// has no holes.
func TestDeallocateNotThin(t *testing.T) {
	l, content := newSizedLab(t, 1<<20, 4096)
	after := len(l.Commands())
	cannotFree(t, l.disk.Deallocate(timeout(t), 0, 1<<20))
	n, hole, err := l.disk.Allocation(timeout(t), 8192)
	if n != 1<<20-8192 || hole || err != nil {
		t.Errorf("Allocation: %d, %v, %v", n, hole, err)
	}
	if l.disk.Thin() {
		t.Error("it is said to be thin")
	}
	if got := l.Commands()[after:]; len(got) > 0 {
		t.Errorf("sent %v", got)
	}
	l.holds(content, 0)
}

// TestZeroesMustBeSaidTwice: LBPRZ of READ CAPACITY (16) without that of VPD page B2h,
// or the other way round, is no promise.
func TestZeroesMustBeSaidTwice(t *testing.T) {
	for name, edit := range map[string]func(*target.PDU, byte){
		"VPD only": func(p *target.PDU, op byte) {
			if op == target.OpServiceActionIn16 && len(p.Data) == 32 {
				p.Data[14] &^= 0x40
			}
		},
		"READ CAPACITY only": func(p *target.PDU, op byte) {
			if op == target.OpInquiry && len(p.Data) > 5 && p.Data[1] == 0xb2 {
				p.Data[5] &^= 0x04
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			lun := target.NewMemoryLUN(1<<20, 512, target.Thin())
			l := newTargetLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
			l.lun = lun
			for _, op := range []byte{target.OpServiceActionIn16, target.OpInquiry} {
				l.OnSend(target.OfCommand(op), target.Edit(func(p *target.PDU) { edit(p, op) }))
			}
			l.login()
			l.disk = l.open(scsi.LUN{})
			if !l.disk.Thin() {
				t.Error("not thin")
			}
			cannotFree(t, l.disk.Deallocate(timeout(t), 0, 1<<20))
			if n, hole, err := l.disk.Allocation(timeout(t), 0); n != 1<<20 || hole || err != nil {
				t.Errorf("Allocation: %d, %v, %v", n, hole, err)
			}
		})
	}
}

// TestFruitless: a target that ignores all of a large UNMAP is not made to write
// zeroes instead, nor asked again; of a small one it is.
func TestFruitless(t *testing.T) {
	l, content := newSizedLab(t, 32<<20, 512, target.Thin(), target.FreedBy(target.OpUnmap), target.Ignoring(target.IgnoreAll))
	if err := l.disk.Deallocate(timeout(t), 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	clear(content[:1<<20])
	l.holds(content, 0)
	after := len(l.Commands())
	cannotFree(t, l.disk.Deallocate(timeout(t), 4096, 24<<20))
	if got := l.changing(after); got != "status unmap status" {
		t.Errorf("sent %q", got)
	}
	after = len(l.Commands())
	cannotFree(t, l.disk.Deallocate(timeout(t), 4096, 512))
	if got := l.changing(after); got != "" {
		t.Errorf("sent %q", got)
	}
	l.holds(content, 0)
}

// TestSplinters: of a target that tells of a run for every block not everything is
// remembered before the first of them is zeroed.
func TestSplinters(t *testing.T) {
	l, content := newThinLab(t, target.FreedBy(target.OpUnmap))
	status := func(e *target.Event) bool { return e.CDB != nil && e.CDB[0] == 0x9e && e.CDB[1]&0x1f == 0x12 }
	l.OnSend(status, func(e *target.Event) {
		lba := binary.BigEndian.Uint64(e.CDB[2:])
		target.Edit(func(p *target.PDU) {
			for d := p.Data[8:]; len(d) >= 16; d = d[16:] {
				binary.BigEndian.PutUint64(d, lba)
				binary.BigEndian.PutUint32(d[8:], 1)
				d[12] = byte(lba % 2)
				lba++
			}
		})(e)
	})
	after := len(l.Commands())
	if err := l.disk.Deallocate(timeout(t), 0, 2304*512); err != nil {
		t.Fatal(err)
	}
	clear(content[:2304*512])
	l.holds(content, 0)
	got := l.changing(after)
	if want := "status unmap status S16"; !strings.HasPrefix(got, want) || got == want {
		t.Errorf("sent %q", got)
	}
}

// TestBrokenStatus: LBA status data that breaks the standard proves nothing, and is not
// asked for again.
func TestBrokenStatus(t *testing.T) {
	l, content := newThinLab(t, target.FreedBy(target.OpUnmap), target.Ignoring(target.IgnoreAll))
	status := func(e *target.Event) bool { return e.CDB != nil && e.CDB[0] == 0x9e && e.CDB[1]&0x1f == 0x12 }
	// The first one is in order, those after the UNMAP begin elsewhere.
	l.OnSend(target.From(2, status), target.Edit(func(p *target.PDU) {
		if len(p.Data) >= 24 {
			p.Data[8+7]++
		}
	}))
	if err := l.disk.Deallocate(timeout(t), 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	clear(content[:1<<20])
	l.holds(content, 0)
	n, hole, err := l.disk.Allocation(timeout(t), 0)
	if n != 8<<20 || hole || err != nil {
		t.Errorf("Allocation: %d, %v, %v", n, hole, err)
	}
	cannotFree(t, l.disk.Deallocate(timeout(t), 1<<20, 1<<20))
	l.holds(content, 0)
}

// TestDeallocateGivenUpInTheMiddle: when a way is refused that has done a part, the
// promise is kept by zeroing.
func TestDeallocateGivenUpInTheMiddle(t *testing.T) {
	for name, c := range map[string]struct {
		freed  byte
		answer target.Action
	}{
		"WRITE SAME": {target.OpWriteSame10, answerField},
		"UNMAP":      {target.OpUnmap, answerList},
	} {
		t.Run(name, func(t *testing.T) {
			limits := target.BlockLimits{MaxUnmap: 256, MaxUnmapDescriptors: 1, MaxWriteSame: 256}
			l, content := newThinLab(t, target.FreedBy(c.freed), target.Limits(limits))
			l.OnExecute(target.From(4, target.SCSI(c.freed)), c.answer)
			if err := l.disk.Deallocate(timeout(t), 0, 4<<20); err != nil {
				t.Fatal(err)
			}
			clear(content[:4<<20])
			l.holds(content, 0)
			cannotFree(t, l.disk.Deallocate(timeout(t), 4<<20, 1<<20))
			l.holds(content, 0)
		})
	}
}

// TestLimits: no command is longer than VPD page B0h allows, which the target, too,
// enforces, and none has zero blocks.
func TestLimits(t *testing.T) {
	limits := target.BlockLimits{MaxTransfer: 64, MaxUnmap: 100, MaxUnmapDescriptors: 1, MaxWriteSame: 40, NonZeroWriteSame: true,
		UnmapGranularity: 16, UnmapAlignment: 8}
	for _, op := range []byte{target.OpUnmap, target.OpWriteSame10, target.OpWriteSame16} {
		l, content := newSizedLab(t, 1<<20, 512, target.Thin(), target.FreedBy(op), target.Limits(limits))
		after := len(l.Commands())
		if err := l.disk.Deallocate(timeout(t), 3*512, 1000*512); err != nil {
			t.Fatal(err)
		}
		if err := l.disk.Zero(timeout(t), 1500*512, 500*512); err != nil {
			t.Fatal(err)
		}
		clear(content[3*512 : 1003*512])
		clear(content[1500*512 : 2000*512])
		l.holds(content, 0)
		for _, c := range l.Commands()[after:] {
			if c.Status != 0 {
				t.Errorf("% x ended with status %#x", c.CDB, c.Status)
			}
			free := c.Opcode == op && (op == target.OpUnmap || c.CDB[1]&0x08 != 0)
			if !free || op == target.OpUnmap {
				continue
			}
			// The first granule begins at block 8, the last ends at 1000.
			if c.Blocks == 0 || c.Blocks > 40 || c.LBA%16 != 8 || c.LBA+c.Blocks > 1000 {
				t.Errorf("% x: %d blocks from %d on", c.CDB, c.Blocks, c.LBA)
			}
		}
	}
}

// TestLimitsUnsaid: the short form has 16 bits for the length, and of a target that
// does not say how long a WRITE SAME may be no more is asked in the long form.
func TestLimitsUnsaid(t *testing.T) {
	for op, limit := range map[byte]uint64{target.OpWriteSame10: 1 << 20, target.OpWriteSame16: 0} {
		limits := target.Limits(target.BlockLimits{MaxWriteSame: limit, UnmapGranularity: 8})
		lun := target.NewMemoryLUN(128<<20, 512, target.Thin(), target.FreedBy(op), limits)
		l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
		for off := int64(0); off < 128<<20; off += 32 << 20 {
			if _, err := lun.WriteAt(pattern(1, 8192), off); err != nil {
				t.Fatal(err)
			}
		}
		after := len(l.Commands())
		if err := l.disk.Deallocate(timeout(t), 0, 128<<20); err != nil {
			t.Fatal(err)
		}
		if n := lun.Allocated(); n != 0 {
			t.Errorf("%d bytes are still allocated", n)
		}
		for _, c := range l.Commands()[after:] {
			if c.Opcode != target.OpRead10 && (c.Opcode != op || c.Blocks == 0 || c.Blocks > 65535 || c.LBA%8 != 0) {
				t.Errorf("% x: %d blocks from %d on", c.CDB, c.Blocks, c.LBA)
			}
		}
	}
}

// TestZeroByWrites: zeroes are written in large commands, several under way at once.
func TestZeroByWrites(t *testing.T) {
	l, content := newSizedLab(t, 32<<20, 512, target.Unknown(target.OpWriteSame10, target.OpWriteSame16))
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpWrite10, target.OpWrite16), target.Hold(gate))
	after := len(l.Commands())
	done := async(func() error { return l.disk.Zero(context.Background(), 512, 32<<20-512) })
	if !held.Await(8, soon) {
		t.Errorf("%d writes are under way at once", held.Count())
	}
	held.Remove()
	gate.Release()
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	clear(content[512:])
	l.holds(content, 0)
	n := 0
	for _, c := range l.Commands()[after:] {
		if c.Opcode == target.OpWrite10 {
			n++
		}
	}
	if n != 64 {
		t.Errorf("%d writes for 32 MiB, want 64 of 512 KiB", n)
	}
}

// TestShortFormReaches: WRITE SAME (10) names no block from 2^32 on.
func TestShortFormReaches(t *testing.T) {
	const size = 3 << 40
	lun := target.NewMemoryLUN(size, 512, target.Thin(), target.Unknown(target.OpWriteSame16))
	l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
	l.lun = lun
	for _, off := range []int64{0, 2<<40 - 64<<10, 2 << 40, size - 64<<10} {
		after := len(l.Commands())
		l.fill(pattern(1, 192<<10)[:min(192<<10, size-off)], off)
		if err := l.disk.Zero(timeout(t), off, 64<<10); err != nil {
			t.Fatal(err)
		}
		l.holds(make([]byte, 64<<10), off)
		short := strings.HasSuffix(l.changing(after), "S10")
		if want := off+64<<10 <= 2<<40; short != want {
			t.Errorf("at %d: %s", off, l.changing(after))
		}
	}
}

// TestDeallocateModel: whatever the target announces, refuses, limits or ignores, the
// range reads as zeroes and nothing else is touched; or it is refused, and nothing
// is done.
func TestDeallocateModel(t *testing.T) {
	const size = 1 << 19
	type variant struct {
		name  string
		lun   *target.LUN
		want  []byte
		never bool // it cannot deallocate, which shows when there is a whole granule
	}
	r := rand.New(rand.NewPCG(1, 2))
	var all []variant
	for _, frees := range [][]byte{{target.OpUnmap}, {target.OpWriteSame10}, {target.OpWriteSame16}, {target.OpUnmap, target.OpWriteSame16}} {
		for _, ignores := range []target.Ignored{target.IgnoreNothing, target.IgnoreEdges, target.IgnoreOdd, target.IgnoreAll} {
			for _, refusal := range []target.Option{target.WithoutNDOB(), target.OverlookingNDOB(), target.Unknown(target.OpWriteSame16),
				target.Unknown(target.OpWriteSame16, target.OpWriteSame10), target.Unknown()} {
				pick := func(of ...uint32) uint32 { return of[r.IntN(len(of))] }
				limits := target.BlockLimits{
					MaxTransfer: pick(0, 33), MaxUnmap: pick(1, 7, 64, 1<<32-1), MaxUnmapDescriptors: pick(1, 1<<32-1),
					MaxWriteSame: uint64(pick(0, 9, 64)), UnmapGranularity: pick(0, 1, 8, 24, 128), UnmapAlignment: pick(0, 0, 3, 8, 1000),
				}
				block := []int{512, 4096}[r.IntN(2)]
				v := variant{want: pattern(uint64(len(all)), size), never: true}
				v.lun = target.NewMemoryLUN(size, block, target.Thin(), target.Limits(limits), target.FreedBy(frees...), target.Ignoring(ignores), refusal)
				v.name = fmt.Sprintf("blocks of %d, freed by % x, ignores %d, %+v", block, frees, ignores, v.lun.LUNAttributes)
				for _, op := range frees {
					v.never = v.never && slices.Contains(v.lun.UnknownOpcodes, op)
				}
				all = append(all, v)
			}
		}
	}
	l := newTargetLab(t, func(tc *target.Config, _ *Config) {
		tc.LUNs = nil
		for _, v := range all {
			tc.LUNs = append(tc.LUNs, v.lun)
		}
	})
	l.login()
	for i, v := range all {
		if _, err := v.lun.WriteAt(v.want, 0); err != nil {
			t.Fatal(err)
		}
		d := l.open(scsi.PeripheralLUN(uint8(i)))
		block := int64(d.BlockSize())
		for range 6 {
			off := r.Int64N(size / block)
			n := min(1+r.Int64N(size/block-off), 1+r.Int64N(300))
			err := d.Deallocate(timeout(t), off*block, n*block)
			if err != nil && !(v.never && errors.Is(err, ErrNoDeallocation)) {
				t.Fatalf("%s: blocks %d, from %d on: %v", v.name, n, off, err)
			}
			if err == nil {
				clear(v.want[off*block : (off+n)*block])
			}
			got := make([]byte, size)
			if _, err := v.lun.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, v.want) {
				t.Fatalf("%s: %d blocks from %d on: wrong at byte %d", v.name, n, off, firstDifference(got, v.want))
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
