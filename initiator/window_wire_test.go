package initiator

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// readBlock reads one block in the background.
func readBlock(d *Disk, lba int64) <-chan error {
	return async(func() error {
		_, err := d.ReadAt(context.Background(), make([]byte, 512), lba*512)
		return err
	})
}

// serveBlock answers a READ of one block with the data and the status in one
// PDU.
func (w *wire) serveBlock(command *header, data []byte) {
	w.respond(dataIn(command, 0x81, 0, 0), data)
}

// TestCmdSN: each non-immediate command has the CmdSN after that of the one before;
// immediate ones carry the current one and do not advance it (RFC 7143, Section
// 4.2.2.1).
func TestCmdSN(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	next := w.expCmdSN // that of the login: "the first non-immediate command ... carries the CmdSN of the login"
	for range 3 {
		done := readBlock(d, 0)
		h, _ := w.command()
		if h.get(atCmdSN) != next || h.immediate() {
			t.Fatalf("CmdSN %d, immediate %v; want %d", h.get(atCmdSN), h.immediate(), next)
		}
		w.serveBlock(h, make([]byte, 512))
		if err := result(t, done); err != nil {
			t.Fatal(err)
		}
		next++
		managed := async(func() error { return resetOnWire(s) })
		if h, _ = w.expect(0x02); h.get(atCmdSN) != next || !h.immediate() {
			t.Fatalf("task management has CmdSN %d, immediate %v; want %d", h.get(atCmdSN), h.immediate(), next)
		}
		w.respond(newHeader(0x22, 0x80).put(atITT, h.get(atITT)), nil)
		if err := result(t, managed); err != nil {
			t.Fatal(err)
		}
	}
}

// resetOnWire sends a LOGICAL UNIT RESET and nothing else.
func resetOnWire(s *Session) error {
	_, err := s.taskMgmt(context.Background(), tmRequest{function: pdu.LogicalUnitReset, refTag: reservedTag})
	return err
}

// TestWindowClosed: a command whose CmdSN is beyond MaxCmdSN waits; immediate
// requests do not (RFC 7143, Section 4.2.2.1: the target "MUST silently ignore
// any non-immediate command outside of this range").
func TestWindowClosed(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 0
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	done := readBlock(d, 0)
	await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
	w.quiet()
	managed := async(func() error { return resetOnWire(s) })
	h, _ := w.expect(0x02)
	w.respond(newHeader(0x22, 0x80).put(atITT, h.get(atITT)), nil)
	if err := result(t, managed); err != nil {
		t.Fatal(err)
	}
	w.quiet()
	w.maxCmdSN++
	w.inform(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, reservedTag), nil)
	h, _ = w.command()
	w.serveBlock(h, make([]byte, 512))
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
}

// TestWindowOfOne: one command at a time, the next after the answer.
func TestWindowOfOne(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 1
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	var done []<-chan error
	for i := range 5 {
		done = append(done, readBlock(d, int64(i)))
	}
	for range done {
		h, _ := w.expect(0x01)
		if n := h.get(atCmdSN); n != w.expCmdSN {
			t.Fatalf("CmdSN %d, want %d", n, w.expCmdSN)
		}
		w.expCmdSN++
		w.quiet()
		w.maxCmdSN++
		w.serveBlock(h, make([]byte, 512))
	}
	for _, d := range done {
		if err := result(t, d); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWindowLarge: all of a window of 256 is used.
func TestWindowLarge(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 256
	s, w := p.login(func(c *Config) { c.QueueDepth = 300 })
	d := rawDisk(s, scsi.LUN{})
	var done []<-chan error
	for range 300 {
		done = append(done, readBlock(d, 0))
	}
	var open []*header
	for range 256 {
		h, _ := w.expect(0x01)
		open = append(open, h)
	}
	w.quiet()
	w.expCmdSN, w.maxCmdSN = w.expCmdSN+256, w.maxCmdSN+44
	for i := range 300 {
		if i >= 256 {
			h, _ := w.expect(0x01)
			open = append(open, h)
		}
		w.serveBlock(open[i], make([]byte, 512))
	}
	for _, d := range done {
		if err := result(t, d); err != nil {
			t.Fatal(err)
		}
	}
	var numbers []uint32
	for _, h := range open {
		numbers = append(numbers, h.get(atCmdSN))
	}
	if !slices.IsSorted(numbers) || numbers[299]-numbers[0] != 299 {
		t.Errorf("CmdSN out of order or with gaps: %v", numbers)
	}
}

// TestMaxCmdSNInAnyPDU: the window opens whatever PDU says so, for all that the target
// sends carry ExpCmdSN and MaxCmdSN (RFC 7143, Section 4.2.2.1).
func TestMaxCmdSNInAnyPDU(t *testing.T) {
	for name, open := range map[string]func(w *wire, read, write *header){
		"SCSI Response":          func(w *wire, _, write *header) { w.good(write) },
		"Data-In without status": func(w *wire, read, _ *header) { w.inform(dataIn(read, 0, 0, 0), make([]byte, 256)) },
		"Ready To Transfer":      func(w *wire, _, write *header) { w.inform(r2t(write, 7, 0, 0, 512), nil) },
		"NOP-In": func(w *wire, _, _ *header) {
			w.inform(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, 9), nil)
		},
		"Asynchronous Message": func(w *wire, _, _ *header) {
			h := newHeader(0x32, 0x80).put(atITT, reservedTag)
			h[36] = 255
			w.respond(h, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, "ImmediateData=No")
			p.window = 2
			s, w := p.login()
			d := rawDisk(s, scsi.LUN{})
			readBlock(d, 0)
			read, _ := w.expect(0x01)
			async(func() error { _, err := d.WriteAt(context.Background(), make([]byte, 512), 0); return err })
			write, _ := w.expect(0x01)
			readBlock(d, 1)
			await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
			w.quiet()
			w.expCmdSN += 2
			w.maxCmdSN++
			open(w, read, write)
			for {
				h, _ := w.read()
				if h == nil {
					t.Fatal("the window stays closed")
				}
				if h.opcode() == 0x01 {
					break
				}
			}
		})
	}
}

// TestMaxCmdSNBackwards: a MaxCmdSN updates the local one only where it is greater, and
// is ignored, as is the ExpCmdSN of the same PDU, where it is less than that one - 1 (RFC
// 7143, Section 4.2.2.1).
func TestMaxCmdSNBackwards(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 4
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	say := func(exp, max uint32) {
		h := newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, reservedTag)
		w.send(h.put(atStatSN, w.statSN).put(atExpCmdSN, exp).put(atMaxCmdSN, max), nil)
	}
	first := w.expCmdSN
	say(first, first-1)     // the window may not shrink
	say(first+2000, first)  // nonsense: both are ignored
	say(first-5, first+100) // ExpCmdSN does not go back, MaxCmdSN counts: 101 in all
	w.maxCmdSN = first + 1
	w.quiet() // MaxCmdSN lower again
	for i := range uint32(101) {
		readBlock(d, 0)
		h, _ := w.expect(0x01)
		if h.get(atCmdSN) != first+i {
			t.Fatalf("CmdSN %d, want %d", h.get(atCmdSN), first+i)
		}
		w.serveBlock(h, make([]byte, 512))
	}
	readBlock(d, 0)
	await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
	w.quiet()
}

// TestCmdSNWrap: all of it in serial number arithmetic, across 2^32 (RFC 7143,
// Section 4.2.2.1, and RFC 1982).
func TestCmdSNWrap(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	// What a session of four thousand million commands would come to.
	w.expCmdSN, w.maxCmdSN = 0xfffffffd, 0xfffffffe
	s.mu.Lock()
	s.window = newWindow(w.expCmdSN, pdu.Sequence{ExpCmdSN: w.expCmdSN, MaxCmdSN: w.maxCmdSN})
	s.mu.Unlock()
	d := rawDisk(s, scsi.LUN{})
	var done []<-chan error
	for range 8 {
		done = append(done, readBlock(d, 0))
	}
	for i := range uint32(8) {
		h, _ := w.expect(0x01)
		if want := 0xfffffffd + i; h.get(atCmdSN) != want {
			t.Fatalf("CmdSN %#x, want %#x", h.get(atCmdSN), want)
		}
		w.expCmdSN++
		w.maxCmdSN++
		w.serveBlock(h, make([]byte, 512))
	}
	for _, d := range done {
		if err := result(t, d); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCommandHeader: every field of a SCSI Command (RFC 7143, Section 11.3).
func TestCommandHeader(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	lun := scsi.LUN{0x40, 0x05, 1, 2, 3, 4, 5, 6}
	d := rawDisk(s, lun)
	readBlock(d, 0x1234)
	h, data := w.command()
	want := header{0: 0x01, 1: 0x80 | 0x40 | 1, 22: 0x02, 32: 0x28}
	copy(want[8:], lun[:])
	want.put(atITT, h.get(atITT)).put(atCmdSN, w.expCmdSN-1).put(atExpStatSN, w.statSN)
	binary.BigEndian.PutUint32(want[34:], 0x1234)
	want[40] = 1
	if *h != want || len(data) != 0 {
		t.Errorf("got  %x\nwant %x", *h, want)
	}
	if h.get(atITT) == reservedTag {
		t.Error("the reserved tag is in use")
	}
}

// TestWindowStaysClosed: a target that has no command and lets none through is as good
// as one that does not answer, though it answers pings: what waits has no other timeout.
func TestWindowStaysClosed(t *testing.T) {
	const limit = 300 * time.Millisecond
	p := newWirePeer(t, "")
	p.window = 0
	s, w := p.login(func(c *Config) { c.CommandTimeout = limit })
	start := time.Now()
	done := readBlock(rawDisk(s, scsi.LUN{}), 0)
	await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
	w.quiet()
	if err := w.ended(s); !errors.Is(err, ErrTimeout) {
		t.Errorf("the connection ended with: %v", err)
	}
	if took := time.Since(start); took < limit {
		t.Errorf("after %v", took)
	}
	if err := result(t, done); !errors.Is(err, ErrSessionLost) {
		t.Errorf("the read ended with: %v", err)
	}
}

// TestWindowFullOfWork: a target that has all the commands that it wants, and works on
// them, is not punished for its closed window.
func TestWindowFullOfWork(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 1
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	readBlock(d, 0)
	w.expect(0x01)
	readBlock(d, 1)
	await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
	dog, now := watchdog{c: s.conn}, time.Now()
	for range 10 {
		if err := dog.checkWindow(now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(s.cfg.CommandTimeout)
	}
}

// TestWindowOfSlowTarget: nor is one that lets a command through now and then, and has
// answered it long before the next look at it.
func TestWindowOfSlowTarget(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 1
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	dog, now := watchdog{c: s.conn}, time.Now()
	next := readBlock(d, 0)
	for range 10 {
		h, _ := w.command()
		served := next
		next = readBlock(d, 0)
		w.maxCmdSN-- // it has no room for the next
		w.serveBlock(h, make([]byte, 512))
		if err := result(t, served); err != nil {
			t.Fatal(err)
		}
		await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
		if err := dog.checkWindow(now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(s.cfg.CommandTimeout / 2)
		w.maxCmdSN++
		w.inform(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, reservedTag), nil)
	}
}
