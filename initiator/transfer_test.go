package initiator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// firstBurstOnWire is how the first data of one write went out.
type firstBurstOnWire struct {
	final                        bool
	edtl, immediate, unsolicited int
}

// observe sums up the PDUs of the writes in a capture, by their first bytes and
// lengths.
func observe(pdus []target.Captured) map[uint32]*firstBurstOnWire {
	seen := map[uint32]*firstBurstOnWire{}
	for _, p := range pdus {
		h := header(p.PDU.Header)
		if p.FromTarget {
			continue
		}
		switch {
		case h.opcode() == 0x01 && h[1]&0x20 != 0:
			seen[h.get(atITT)] = &firstBurstOnWire{final: h.final(), edtl: int(h.get(atEDTL)), immediate: len(p.PDU.Data)}
		case h.opcode() == 0x05 && h.get(atTTT) == reservedTag:
			seen[h.get(atITT)].unsolicited += len(p.PDU.Data)
		}
	}
	return seen
}

// TestFirstBurstMatrix: ImmediateData and InitialR2T in all combinations, with
// writes below, at and above FirstBurstLength, at the target's
// MaxRecvDataSegmentLength and at twice FirstBurstLength, with digests and
// segments of every length modulo 4.
func TestFirstBurstMatrix(t *testing.T) {
	const first = 8192
	for _, immediate := range []bool{false, true} {
		for _, initialR2T := range []bool{false, true} {
			for _, segment := range []int{4096, 1001, 1002, 1003} {
				for _, digests := range []bool{false, true} {
					name := fmt.Sprintf("ImmediateData=%s InitialR2T=%s MaxRecvDataSegmentLength=%d digests=%v",
						yesNo(immediate), yesNo(initialR2T), segment, digests)
					t.Run(name, func(t *testing.T) {
						l := newLab(t, func(tc *target.Config, c *Config) {
							p := target.DefaultParams()
							p.ImmediateData, p.InitialR2T, p.MaxRecvDataSegmentLength = immediate, initialR2T, segment
							p.FirstBurstLength, p.MaxBurstLength = first, 12289
							tc.Params = &p
							if digests {
								c.HeaderDigest, c.DataDigest = DigestCRC32C, DigestCRC32C
							}
						})
						for i, n := range []int{512, segment / 512 * 512, 4096, first - 512, first, first + 512, 2 * first, 5 * first} {
							l.checkFirstBurst(pattern(uint64(i), n), immediate, initialR2T, segment, first)
						}
					})
				}
			}
		}
	}
}

func (l *lab) checkFirstBurst(data []byte, immediate, initialR2T bool, segment, first int) {
	l.t.Helper()
	if len(data) == 0 {
		return
	}
	capture := l.Capture()
	l.write(data, 8192)
	capture.Stop()
	l.holds(data, 8192)
	same(l.t, "what is read back", l.read(len(data), 8192), data)
	for _, w := range observe(capture.PDUs()) {
		// RFC 7143, 13.11: with ImmediateData=No "the initiator MUST NOT send
		// unsolicited immediate data"; 13.14: FirstBurstLength is "the maximum amount
		// in bytes of unsolicited data", immediate data included; 13.12: no segment
		// above MaxRecvDataSegmentLength.
		most := 0
		if immediate {
			most = min(len(data), segment, first)
		}
		if w.immediate != most || w.edtl != len(data) {
			l.t.Errorf("%d bytes: %d immediate, want %d; EDTL %d", len(data), w.immediate, most, w.edtl)
		}
		// 13.10: unsolicited Data-Out only with InitialR2T=No; 11.4.7.2: "Incorrect
		// amount of data" if it is not all of FirstBurstLength or EDTL.
		want := 0
		if !initialR2T {
			want = min(len(data), first) - most
		}
		if w.unsolicited != want {
			l.t.Errorf("%d bytes: %d unsolicited, want %d", len(data), w.unsolicited, want)
		}
		// 11.3.1: F "is set to 1 when no unsolicited SCSI Data-Out PDUs follow
		// this PDU".
		if w.final != (want == 0) {
			l.t.Errorf("%d bytes with %d unsolicited: F is %v", len(data), want, w.final)
		}
	}
}

// TestTransferLengths: accesses of one block up to many commands, in one buffer
// and in several, are right to the byte.
func TestTransferLengths(t *testing.T) {
	for _, separate := range []bool{false, true} {
		l := newLab(t, func(tc *target.Config, c *Config) {
			p := target.DefaultParams()
			p.MaxBurstLength, p.FirstBurstLength = 65537, 4099 // Data-In of 1 modulo 4
			tc.Params = &p
			tc.SeparateStatus = separate
			c.HeaderDigest, c.DataDigest = DigestCRC32C, DigestCRC32C
		})
		for i, n := range []int{512, 65536 - 512, 65536, 65536 + 512, 262144, 262144 + 512, 3 << 20, 7<<20 + 512} {
			off := int64(i) * 512
			data := pattern(uint64(i), n)
			l.write(data, off)
			l.holds(data, off)
			same(t, "what is read back", l.read(n, off), data)
		}
		data := pattern(99, 1<<20)
		var bufs, back [][]byte
		got := make([]byte, len(data))
		for i, n := 0, 0; i < len(data); i += n { // most of them no multiple of a block
			n = min(1+(i*7919)%30011, len(data)-i)
			bufs, back = append(bufs, data[i:i+n], nil), append(back, got[i:i+n], nil)
		}
		if err := l.disk.WritevAt(timeout(t), bufs, 4096); err != nil {
			t.Fatal(err)
		}
		l.holds(data, 4096)
		if err := l.disk.ReadvAt(timeout(t), back, 4096); err != nil {
			t.Fatal(err)
		}
		same(t, "what is read back in pieces", got, data)
	}
}

// TestTransferOutOfRange: what does not lie within the disk is refused here.
func TestTransferOutOfRange(t *testing.T) {
	l := newLab(t)
	before := len(l.Commands())
	for _, c := range []struct{ n, off int64 }{
		{512, l.disk.Size()}, {1024, l.disk.Size() - 512}, {512, -512}, {512, 1}, {511, 0}, {0, -512},
		{1024, math.MaxInt64 - 511}, {512, math.MinInt64},
	} {
		if _, err := l.disk.ReadAt(timeout(t), make([]byte, c.n), c.off); !errors.Is(err, ErrOutOfRange) {
			t.Errorf("read of %d at %d: %v", c.n, c.off, err)
		}
		if _, err := l.disk.WriteAt(timeout(t), make([]byte, c.n), c.off); !errors.Is(err, ErrOutOfRange) {
			t.Errorf("write of %d at %d: %v", c.n, c.off, err)
		}
	}
	for _, off := range []int64{0, l.disk.Size()} {
		if n, err := l.disk.ReadAt(timeout(t), nil, off); n != 0 || err != nil {
			t.Errorf("read of nothing: %d, %v", n, err)
		}
	}
	if n := len(l.Commands()); n != before {
		t.Errorf("%d commands were sent", n-before)
	}
}

// TestMaxTransfer: "MAXIMUM TRANSFER LENGTH ... the maximum transfer length in
// logical blocks that the device server accepts for a single command" (SBC-3,
// Section 6.6.3), which the target enforces.
func TestMaxTransfer(t *testing.T) {
	for _, blocks := range []uint32{1, 7, 8, 100} {
		l := newLab(t, func(tc *target.Config, _ *Config) {
			tc.LUNs = []*target.LUN{target.NewMemoryLUN(1<<20, 512, target.Limits(target.BlockLimits{MaxTransfer: blocks}))}
		})
		l.lun = nil
		data := pattern(1, 64<<10)
		l.write(data, 512)
		same(t, "what is read back", l.read(len(data), 512), data)
		for _, c := range l.Commands() {
			if c.Blocks > uint64(blocks) && (c.Opcode == target.OpRead10 || c.Opcode == target.OpWrite10) {
				t.Fatalf("a command for %d blocks, where %d are allowed", c.Blocks, blocks)
			}
		}
	}
}

// TestQueueDepth: no more commands than QueueDepth are in flight for one LUN,
// and those of another do not count.
func TestQueueDepth(t *testing.T) {
	l := newLab(t, func(tc *target.Config, c *Config) {
		tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(8<<20, 512))
		c.QueueDepth = 3
	})
	second := l.open(scsi.PeripheralLUN(1))
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpRead10), target.Hold(gate))
	var done []<-chan error
	for _, d := range []*Disk{l.disk, second} {
		for range 5 {
			done = append(done, async(func() error {
				_, err := d.ReadAt(context.Background(), make([]byte, 2<<20), 0)
				return err
			}))
		}
	}
	if !held.Await(6, soon) {
		t.Fatal("not even the depth is used")
	}
	l.Ping(nil) // an answer later than anything that was sent before
	await(t, "an answer to a ping", func() bool { return l.Counters().Pongs == 1 })
	if n := gate.Held(); n != 6 {
		t.Errorf("%d commands in flight, want 6", n)
	}
	held.Remove()
	gate.Release()
	for _, d := range done {
		if err := result(t, d); err != nil {
			t.Error(err)
		}
	}
}

// TestLargeLUN: READ and WRITE (10) reach to block 2^32-1 and carry 16 bits of
// length; beyond that it takes (16) (SBC-3, Sections 5.8 and 5.10).
func TestLargeLUN(t *testing.T) {
	const size = 3<<40 + 512
	big := target.NewMemoryLUN(size, 512)
	l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{big} })
	l.lun = big
	if l.disk.Size() != size {
		t.Fatalf("size %d, want %d", l.disk.Size(), int64(size))
	}
	for _, off := range []int64{0, 1<<41 - 512, 1 << 41, size - 1024} {
		data := pattern(uint64(off>>9), 1024)
		l.write(data, off)
		l.holds(data, off)
		same(t, "what is read back", l.read(1024, off), data)
	}
	l.write(make([]byte, 1<<20), 1<<41-1<<19) // across 2^32
	var wide int
	for _, c := range l.Commands() {
		switch c.Opcode {
		case target.OpRead16, target.OpWrite16:
			wide++
		}
	}
	if wide == 0 {
		t.Error("no READ or WRITE (16)")
	}
}

// TestBlocksOf4096: lengths and addresses count in the LUN's own blocks.
func TestBlocksOf4096(t *testing.T) {
	lun := target.NewMemoryLUN(64<<20, 4096)
	l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
	l.lun = lun
	if l.disk.BlockSize() != 4096 || l.disk.Size() != 64<<20 {
		t.Fatalf("%d bytes in blocks of %d", l.disk.Size(), l.disk.BlockSize())
	}
	data := pattern(4, 3<<20)
	l.write(data, 20480)
	l.holds(data, 20480)
	same(t, "what is read back", l.read(len(data), 20480), data)
	if _, err := l.disk.WriteAt(timeout(t), make([]byte, 512), 0); !errors.Is(err, ErrOutOfRange) {
		t.Errorf("half a block: %v", err)
	}
}

// TestWriteProtected: the target's refusal of a write has a name.
func TestWriteProtected(t *testing.T) {
	l := newLab(t, func(tc *target.Config, _ *Config) {
		tc.LUNs = []*target.LUN{target.NewMemoryLUN(1<<20, 512, target.ReadOnly())}
	})
	if !l.disk.ReadOnly() {
		t.Error("the write protection is not seen")
	}
	_, err := l.disk.WriteAt(timeout(t), make([]byte, 512), 0)
	var e *Error
	if !errors.As(err, &e) || e.Errno().Error() != "read-only file system" {
		t.Errorf("a write: %v", err)
	}
	l.read(512, 0)
}
