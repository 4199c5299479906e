package initiator

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestAbortOnWire: a caller that gives up has its command aborted, with every
// field of the request (RFC 7143, Section 11.5): function 1, the LUN and tag of
// the task, and in RefCmdSN the CmdSN of its command. The caller gets its memory
// back only when the target has answered.
func TestAbortOnWire(t *testing.T) {
	for _, result2 := range []byte{0, 1} { // Function complete, Task does not exist
		p := newWirePeer(t, "")
		s, w := p.login(func(c *Config) { c.AbortTimeout = soon })
		lun := scsi.LUN{0x40, 9, 8, 7, 6, 5, 4, 3}
		ctx, cancel := context.WithCancel(context.Background())
		done := async(func() error { _, err := rawDisk(s, lun).ReadAt(ctx, make([]byte, 4096), 0); return err })
		command, _ := w.command()
		cancel()
		h, _ := w.expect(0x02)
		want := header{0: 0x42, 1: 0x81}
		copy(want[atLUN:], lun[:])
		want.put(atITT, h.get(atITT)).put(atRefTag, command.get(atITT)).put(atCmdSN, w.expCmdSN).
			put(atExpStatSN, w.statSN).put(atRefCmdSN, command.get(atCmdSN))
		if *h != want || h.get(atITT) == command.get(atITT) {
			t.Errorf("ABORT TASK\ngot  %x\nwant %x", *h, want)
		}
		w.quiet()
		select {
		case err := <-done:
			t.Fatalf("the read ended before the abort: %v", err)
		default:
		}
		r := newHeader(0x22, 0x80).put(atITT, h.get(atITT))
		r[2] = result2
		w.respond(r, nil)
		if err := result(t, done); !errors.Is(err, context.Canceled) {
			t.Errorf("the read ended with %v", err)
		}
		// A late answer for the aborted task is dropped.
		w.respond(dataIn(command, 0x81, 0, 0), make([]byte, 4096))
		w.quiet()
	}
}

// TestAbortOvertaken: the command's answer may come before the abort's.
func TestAbortOvertaken(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	ctx, cancel := context.WithCancel(context.Background())
	g := newGuarded(512)
	done := async(func() error { _, err := rawDisk(s, scsi.LUN{}).ReadAt(ctx, g.p, 0); return err })
	command, _ := w.command()
	cancel()
	h, _ := w.expect(0x02)
	w.serveBlock(command, pattern(1, 512))
	r := newHeader(0x22, 0x80).put(atITT, h.get(atITT))
	r[2] = 1
	w.respond(r, nil)
	if err := result(t, done); err != nil {
		t.Errorf("a read that had succeeded: %v", err)
	}
	same(t, "the data", g.p, pattern(1, 512))
	w.quiet()
}

// TestAbortRefused: without a good answer to two aborts, nor to a reset, only the
// end of the connection says that the memory is free.
func TestAbortRefused(t *testing.T) {
	for name, answer := range map[string]func(w *wire, h *header){
		"refused": func(w *wire, h *header) {
			r := newHeader(0x22, 0x80).put(atITT, h.get(atITT))
			r[2] = 255
			w.respond(r, nil)
		},
		"rejected":   func(w *wire, h *header) { w.reject(0x06, h) },
		"unanswered": func(w *wire, h *header) {},
	} {
		p := newWirePeer(t, "")
		s, w := p.login(func(c *Config) { c.AbortTimeout, c.ResetTimeout = 50*time.Millisecond, 50*time.Millisecond })
		ctx, cancel := context.WithCancel(context.Background())
		done := readWith(ctx, rawDisk(s, scsi.LUN{}))
		w.command()
		cancel()
		for _, function := range []byte{1, 1, 5} {
			h, _ := w.expect(0x02)
			if h[1] != 0x80|function {
				t.Errorf("%s: function %d, want %d", name, h[1]&0x7f, function)
			}
			answer(w, h)
		}
		w.ended(s)
		if err := result(t, done); err == nil {
			t.Errorf("%s: the read succeeds", name)
		}
	}
}

func readWith(ctx context.Context, d *Disk) <-chan error {
	return async(func() error { _, err := d.ReadAt(ctx, make([]byte, 512), 0); return err })
}

// TestAbortQueued: a command that was not sent is taken back, and its CmdSN is
// not missed.
func TestAbortQueued(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 1
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	first := readBlock(d, 1)
	command, _ := w.expect(0x01)
	ctx, cancel := context.WithCancel(context.Background())
	second := readWith(ctx, d)
	await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
	third := readBlock(d, 3)
	await(t, "two queued commands", func() bool { return s.Status().Waiting == 2 })
	cancel()
	if err := result(t, second); !errors.Is(err, context.Canceled) {
		t.Errorf("the queued read: %v", err)
	}
	w.quiet()
	w.expCmdSN++
	w.maxCmdSN++
	w.serveBlock(command, make([]byte, 512))
	next, _ := w.command()
	if next.get(atCmdSN) != command.get(atCmdSN)+1 || next.get(34) != 3 {
		t.Errorf("the next command %x", *next)
	}
	w.serveBlock(next, make([]byte, 512))
	for _, d := range []<-chan error{first, third} {
		if err := result(t, d); err != nil {
			t.Error(err)
		}
	}
}

// TestMemoryAfterAbort: when a read has returned, its memory is the caller's,
// whatever the target still sends; and a write's memory may be changed at once.
func TestMemoryAfterAbort(t *testing.T) {
	l := newLab(t, smallBursts)
	l.fill(pattern(1, 1<<20), 0)
	gate := target.NewGate()
	held := l.OnSend(target.Opcode(pdu.OpDataIn), target.Hold(gate))
	ctx, cancel := context.WithCancel(context.Background())
	buf := make([]byte, 64<<10)
	done := async(func() error { _, err := l.disk.ReadAt(ctx, buf, 0); return err })
	if !held.Await(1, soon) {
		t.Fatal("no data")
	}
	cancel()
	if err := result(t, done); !errors.Is(err, context.Canceled) {
		t.Fatalf("the read: %v", err)
	}
	copy(buf, pattern(2, len(buf)))
	held.Remove()
	gate.Release()
	l.read(512, 0) // everything released has been received when this is answered
	same(t, "the caller's memory", buf, pattern(2, len(buf)))
	if l.s.Status().Reconnects > 1 {
		t.Error("more than one reconnect")
	}
}

// TestAbortStorm: callers that come and go leave nothing behind, and the data of
// those that stay are right.
func TestAbortStorm(t *testing.T) {
	l := newLab(t, smallBursts)
	data := pattern(1, 1<<20)
	l.fill(data, 0)
	var done []<-chan error
	for i := range 8 {
		done = append(done, async(func() error {
			for k := range 50 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration((i*50+k)%40)*50*time.Microsecond)
				buf := make([]byte, 16<<10)
				_, err := l.disk.ReadAt(ctx, buf, int64(i)<<14)
				cancel()
				if err == nil {
					same(t, "a read", buf, data[i<<14:(i+1)<<14])
				} else if !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
			}
			return nil
		}))
	}
	for _, d := range done {
		if err := result(t, d); err != nil {
			t.Error(err)
		}
	}
	same(t, "a read", l.read(4096, 0), data[:4096])
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if n := maxSlots - len(l.s.slots.free); n != 0 || l.s.pending.len+l.s.urgent.len+l.s.dataOut.len != 0 {
		t.Errorf("%d tags in use; queues %d, %d, %d", n, l.s.pending.len, l.s.urgent.len, l.s.dataOut.len)
	}
	if l.s.reconnects != 0 {
		t.Errorf("%d reconnects: %v", l.s.reconnects, l.s.reason)
	}
}
