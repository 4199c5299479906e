package initiator

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// solicited is a session in which every byte of a write is asked for, up to
// three bursts at once and in PDUs of at most 1,001 bytes.
const solicited = "InitialR2T=Yes ImmediateData=No MaxBurstLength=4096 FirstBurstLength=512 " +
	"MaxOutstandingR2T=3 MaxRecvDataSegmentLength=1001 DataSequenceInOrder=No"

// writing begins a write of data to block 0 and returns its command.
func (w *wire) writing(d *Disk, data []byte) (*header, <-chan error) {
	w.t.Helper()
	done := async(func() error { _, err := d.WriteAt(context.Background(), data, 0); return err })
	h, immediate := w.command()
	if len(immediate) > 0 {
		w.t.Fatalf("%d bytes of immediate data", len(immediate))
	}
	return h, done
}

// burst reads the Data-Out PDUs that answer an R2T and checks every field:
//
//   - the TTT and LUN are those of the R2T: "the Target Transfer Tag field is a
//     replica of the Target Transfer Tag provided with the R2T", RFC 7143,
//     Section 11.7.4;
//   - "the DataSN is the Data-Out PDU number within the current output
//     sequence", from 0: Section 11.7.5;
//   - Buffer Offsets go up without a gap: Section 13.18, DataPDUInOrder;
//   - the F bit is set in "the last PDU of a sequence that answers an R2T": Section 11.7.1;
//   - the data segment stays within MaxRecvDataSegmentLength: Section 13.12;
//   - ExpStatSN acknowledges no more than was sent: Section 4.2.2.2.
func (w *wire) burst(r *header, maxSegment int) []byte {
	w.t.Helper()
	var got []byte
	for sn := uint32(0); ; sn++ {
		h, data := w.expect(0x05)
		want := header{0: 0x05}
		copy(want[atLUN:16], r[atLUN:16])
		want.put(atITT, r.get(atITT)).put(atTTT, r.get(atTTT)).put(atExpStatSN, w.statSN).put(atDataSN, sn).
			put(atOffset, r.get(atOffset)+uint32(len(got)))
		want.setDataLength(len(data))
		got = append(got, data...)
		last := len(got) == int(r.get(atDesired))
		if last {
			want[1] = 0x80
		}
		if *h != want {
			w.t.Fatalf("Data-Out\ngot  %x\nwant %x", *h, want)
		}
		if len(data) > maxSegment || len(data) == 0 || len(got) > int(r.get(atDesired)) {
			w.t.Fatalf("%d bytes in one Data-Out of a burst of %d", len(data), r.get(atDesired))
		}
		if last {
			return got
		}
	}
}

// TestR2TInAnyOrder: a target may keep several R2Ts outstanding
// (MaxOutstandingR2T, RFC 7143, Section 13.17) and, with
// DataSequenceInOrder=No, ask for the data in any order.
func TestR2TInAnyOrder(t *testing.T) {
	p := newWirePeer(t, solicited)
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{0x40, 0x07})
	const length, part = 16384, 2048
	for seed := range uint64(4) {
		data := pattern(seed, length)
		command, done := w.writing(d, data)
		var asked []*header
		got := make([]byte, length)
		receive := func() {
			r := asked[0]
			asked = asked[1:]
			copy(got[r.get(atOffset):], w.burst(r, 1001))
		}
		for i, j := range rand.Perm(length / part) {
			if len(asked) == 3 {
				receive()
			}
			r := r2t(command, uint32(100+i), uint32(i), uint32(j*part), part)
			w.inform(r, nil)
			asked = append(asked, r)
		}
		for len(asked) > 0 {
			receive()
		}
		same(t, "what was written", got, data)
		w.good(command)
		if err := result(t, done); err != nil {
			t.Fatal(err)
		}
	}
}

// TestR2TOfParallelCommands: the data of each R2T come from its own command.
func TestR2TOfParallelCommands(t *testing.T) {
	p := newWirePeer(t, solicited)
	s, w := p.login()
	const n = 4
	var commands []*header
	var data [][]byte
	var done []<-chan error
	for i := range n {
		d := rawDisk(s, scsi.LUN{0x40, byte(i)})
		data = append(data, pattern(uint64(i), 4096))
		h, c := w.writing(d, data[i])
		commands, done = append(commands, h), append(done, c)
	}
	for i := n - 1; i >= 0; i-- {
		w.inform(r2t(commands[i], uint32(i), 0, 0, 4096), nil)
	}
	for i := n - 1; i >= 0; i-- {
		same(t, "a burst", w.burst(r2t(commands[i], uint32(i), 0, 0, 4096), 1001), data[i])
	}
	for i := range n {
		w.good(commands[i])
		if err := result(t, done[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestR2TFaults: what a target must not ask for ends the connection.
func TestR2TFaults(t *testing.T) {
	for name, ask := range map[string]func(w *wire, command *header){
		// "The Desired Data Transfer Length MUST NOT be 0 and MUST NOT exceed
		// MaxBurstLength" (RFC 7143, Section 11.8.4).
		"of no length":         func(w *wire, c *header) { w.inform(r2t(c, 1, 0, 0, 0), nil) },
		"above MaxBurstLength": func(w *wire, c *header) { w.inform(r2t(c, 1, 0, 0, 4097), nil) },
		// Data beyond the Expected Data Transfer Length do not exist.
		"beyond the data":        func(w *wire, c *header) { w.inform(r2t(c, 1, 0, 16384-512, 1024), nil) },
		"behind the data":        func(w *wire, c *header) { w.inform(r2t(c, 1, 0, 16384, 512), nil) },
		"with an offset of 2^32": func(w *wire, c *header) { w.inform(r2t(c, 1, 0, 0xfffffe00, 512), nil) },
		"with the reserved TTT":  func(w *wire, c *header) { w.inform(r2t(c, reservedTag, 0, 0, 512), nil) },
		"with a gap in R2TSN":    func(w *wire, c *header) { w.inform(r2t(c, 1, 1, 0, 512), nil) },
		"for an unknown task":    func(w *wire, c *header) { w.inform(r2t(newHeader(0, 0).put(atITT, 0x7fff0001), 1, 0, 0, 512), nil) },
		"for the reserved task":  func(w *wire, c *header) { w.inform(r2t(newHeader(0, 0).put(atITT, reservedTag), 1, 0, 0, 512), nil) },
		"with an R2TSN used once": func(w *wire, c *header) {
			w.inform(r2t(c, 1, 0, 0, 512), nil)
			w.inform(r2t(c, 2, 0, 512, 512), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, solicited)
			s, w := p.login()
			command, done := w.writing(rawDisk(s, scsi.LUN{}), pattern(1, 16384))
			ask(w, command)
			if err := w.ended(s); !errors.Is(err, ErrProtocol) {
				t.Errorf("the connection ended with: %v", err)
			}
			if err := result(t, done); !errors.Is(err, ErrSessionLost) {
				t.Errorf("the write ended with: %v", err)
			}
		})
	}
}

// TestR2TForRead: only a command that writes has data to give.
func TestR2TForRead(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	readBlock(rawDisk(s, scsi.LUN{}), 0)
	command, _ := w.command()
	w.inform(r2t(command, 1, 0, 0, 512), nil)
	if err := w.ended(s); !errors.Is(err, ErrProtocol) {
		t.Errorf("the connection ended with: %v", err)
	}
}

// TestR2TTooMany: no more than MaxOutstandingR2T may be outstanding (RFC 7143,
// Section 13.17). The target that sends more takes none of the data before.
func TestR2TTooMany(t *testing.T) {
	p := newWirePeer(t, "InitialR2T=Yes ImmediateData=No MaxBurstLength=16776192 MaxOutstandingR2T=1")
	s, w := p.login()
	const length = 8 << 20 // more than the sockets hold
	async(func() error {
		x := newCommand(scsi.LUN{}, scsi.Write16(0, length/512, false), soon)
		x.write, x.data = true, newVector([][]byte{make([]byte, length)})
		if err := s.submit(x); err != nil {
			return err
		}
		return s.finish(context.Background(), x)
	})
	command, _ := w.command()
	w.inform(r2t(command, 1, 0, 0, length/2), nil)
	w.inform(r2t(command, 2, 1, length/2, length/4), nil)
	w.inform(r2t(command, 3, 2, length/4*3, length/4), nil)
	if err := w.ended(s); !errors.Is(err, ErrProtocol) {
		t.Errorf("the connection ended with: %v", err)
	}
}

// TestWriteEndsEarly: a target that ends a write with GOOD before it has taken
// all of the data, and reports no residual, has not written it.
func TestWriteEndsEarly(t *testing.T) {
	p := newWirePeer(t, solicited)
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	command, done := w.writing(d, pattern(1, 16384))
	w.inform(r2t(command, 1, 0, 0, 4096), nil)
	w.burst(r2t(command, 1, 0, 0, 4096), 1001)
	w.good(command)
	if err := result(t, done); !errors.Is(err, ErrShort) {
		t.Errorf("the write ended with: %v", err)
	}
}
