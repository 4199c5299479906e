package initiator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestStorm: many goroutines on many LUNs of one session, with a small window,
// pings from the target and cut connections; each has its own part of a disk and
// checks every byte of it.
func TestStorm(t *testing.T) {
	const luns, workers, rounds = 6, 4, 25
	l := newTargetLab(t, smallBursts, func(tc *target.Config, c *Config) {
		for range luns - 1 {
			tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(8<<20, 512))
		}
		tc.Window, c.QueueDepth = 12, 5
	})
	l.login()
	var done []<-chan error
	ctx, cancel := context.WithTimeout(context.Background(), 6*soon)
	defer cancel()
	for n := range luns {
		d := l.open(scsi.PeripheralLUN(uint8(n)))
		for k := range workers {
			done = append(done, async(func() error { return churn(ctx, d, k, rounds) }))
		}
	}
	for range 3 {
		l.Ping(nil)
		l.hurry()
		before := l.s.Status().Reconnects
		l.CutConnections()
		l.awaitReconnect(before + 1)
		l.SetWindow(uint32(1 + rand.N(20)))
	}
	for _, c := range done {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if n := maxSlots - len(l.s.slots.free); n != 0 || l.s.pending.len+l.s.urgent.len+l.s.dataOut.len != 0 {
		t.Errorf("%d tags in use; queues %d, %d, %d", n, l.s.pending.len, l.s.urgent.len, l.s.dataOut.len)
	}
}

// TestStormOfFaults: commands and aborts that nobody answers, resets, removed LUNs,
// attentions and cut connections, all at once. No access fails and every byte is
// right, also what a target might still execute of what was given up.
func TestStormOfFaults(t *testing.T) {
	const luns, workers, rounds = 4, 3, 60
	l := newTargetLab(t, smallBursts, brisk, func(tc *target.Config, c *Config) {
		for range luns - 1 {
			tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(8<<20, 512))
		}
		tc.Window, c.ReplacementTimeout = 32, -1
	})
	l.login()
	ctx, cancel := context.WithTimeout(context.Background(), 6*soon)
	defer cancel()
	var disks []*Disk
	var done []<-chan error
	for n := range luns {
		d := l.open(scsi.PeripheralLUN(uint8(n)))
		disks = append(disks, d)
		for k := range workers {
			done = append(done, async(func() error { return churn(ctx, d, k, rounds) }))
		}
	}
	gate := target.NewGate()
	one := func(in int) target.Match { return func(*target.Event) bool { return rand.N(in) == 0 } }
	rules := []*target.Rule{
		l.OnExecute(target.All(target.SCSI(target.OpRead10), one(40)), target.Drop()),
		l.OnExecute(target.All(target.SCSI(target.OpWrite10), one(40)), target.Hold(gate)), // to haunt those that come later
		l.OnReceive(target.All(target.Opcode(pdu.OpTaskMgmtReq), one(3)), target.Drop()),
	}
	for range 25 {
		switch n := rand.N(luns); rand.N(4) {
		case 0:
			l.hurry()
			l.CutConnections()
		case 1:
			disks[n].Reset(ctx) // or not
		case 2:
			disks[n].Refresh(ctx)
		case 3:
			l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncSCSI, LUN: disks[n].lun}, senseOf(0x29, 0x01))
		}
		<-time.After(time.Duration(rand.N(100)) * time.Millisecond)
	}
	for _, r := range rules {
		r.Remove()
	}
	gate.Release()
	for _, c := range done {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	await(t, "nothing under way", func() bool {
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		return len(l.s.slots.free) == maxSlots && l.s.waitingLocked()+l.s.urgent.len+l.s.dataOut.len+len(l.s.rescues) == 0
	})
}

// churn writes and reads one MiB of a disk in random pieces and compares it with
// a model.
func churn(ctx context.Context, d *Disk, part, rounds int) error {
	model := make([]byte, 1<<20)
	base := int64(part) << 20
	r := rand.New(rand.NewPCG(uint64(part), 1))
	for i := range rounds {
		off := r.IntN(len(model)/512) * 512
		n := min((1+r.IntN(32))*512, len(model)-off)
		if r.IntN(2) == 0 {
			copy(model[off:off+n], pattern(uint64(part*1000+i), n))
			if _, err := d.WriteAt(ctx, model[off:off+n], base+int64(off)); err != nil {
				return err
			}
			continue
		}
		got := make([]byte, n)
		if _, err := d.ReadAt(ctx, got, base+int64(off)); err != nil {
			return err
		}
		if !bytes.Equal(got, model[off:off+n]) {
			return fmt.Errorf("part %d of %v, %d bytes at %d: wrong data", part, d.lun, n, off)
		}
	}
	got := make([]byte, len(model))
	if _, err := d.ReadAt(ctx, got, base); err != nil {
		return err
	}
	if !bytes.Equal(got, model) {
		return fmt.Errorf("part %d of %v: wrong data in the end", part, d.lun)
	}
	return nil
}

// respondToAll serves reads and writes of one PDU each, without allocating.
func respondToAll(nc net.Conn, maxData int) {
	request, response := make([]byte, 48+maxData), make([]byte, 48+maxData)
	statSN := uint32(0)
	for {
		in := (*header)(request)
		if _, err := io.ReadFull(nc, request[:48]); err != nil {
			return
		}
		if _, err := io.ReadFull(nc, request[48:48+in.dataLength()]); err != nil {
			return
		}
		out := (*header)(response)
		*out = header{0: 0x21, 1: 0x80}
		n := 0
		if in[1]&0x40 != 0 {
			out[0], out[1], n = 0x25, 0x81, int(in.get(atEDTL))
		}
		out.put(atITT, in.get(atITT)).put(atTTT, reservedTag).put(atStatSN, statSN).
			put(atExpCmdSN, in.get(atCmdSN)+1).put(atMaxCmdSN, in.get(atCmdSN)+64)
		out.setDataLength(n)
		statSN++
		if _, err := nc.Write(response[:48+n]); err != nil {
			return
		}
	}
}

// TestAllocations: a read or a write of one command allocates nothing, so that a
// machine that swaps to a LUN, or flushes to one because it is out of memory,
// gets through.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const n = 4096
	p := newWirePeer(t, "")
	s, w := p.login()
	go respondToAll(w.nc, n)
	d := rawDisk(s, scsi.LUN{})
	buf, ctx := make([]byte, n), context.Background()
	for name, f := range map[string]func() error{
		"ReadAt":  func() error { _, err := d.ReadAt(ctx, buf, 4096); return err },
		"WriteAt": func() error { _, err := d.WriteAt(ctx, buf, 4096); return err },
	} {
		if allocs := testing.AllocsPerRun(2000, func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}); allocs > 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
