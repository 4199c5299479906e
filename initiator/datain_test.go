package initiator

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// guarded is memory for a read with memory around it that must not change.
type guarded struct {
	all, p []byte
}

func newGuarded(n int) guarded {
	all := bytes.Repeat([]byte{0xee}, n+2048)
	return guarded{all, all[1024 : 1024+n : 1024+n]}
}

func (g guarded) check(t *testing.T) {
	t.Helper()
	for _, edge := range [][]byte{g.all[:1024], g.all[len(g.all)-1024:]} {
		if len(bytes.Trim(edge, "\xee")) > 0 {
			t.Error("memory outside of the read's was written")
		}
	}
}

// reading begins a read into memory.
func (w *wire) reading(d *Disk, g guarded) (*header, <-chan error) {
	w.t.Helper()
	done := async(func() error { _, err := d.ReadAt(context.Background(), g.p, 0); return err })
	h, _ := w.command()
	return h, done
}

// TestDataIn: the forms in which a read may be answered (RFC 7143, Section
// 11.7).
func TestDataIn(t *testing.T) {
	const n = 4096
	data := pattern(7, n)
	for name, c := range map[string]struct {
		keys  string
		serve func(w *wire, c *header)
	}{
		"status in the last PDU": {"", func(w *wire, c *header) { w.respond(dataIn(c, 0x81, 0, 0), data) }},
		"status by itself": {"", func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 0), data)
			w.good(c)
		}},
		"status in an empty Data-In": {"", func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 0), data)
			w.respond(dataIn(c, 0x81, 1, n), nil)
		}},
		// An empty segment has no place: its Buffer Offset means nothing.
		"status in an empty Data-In without an offset": {"", func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 0), data)
			w.respond(dataIn(c, 0x81, 1, 0), nil)
		}},
		"an empty Data-In first": {"", func(w *wire, c *header) {
			w.inform(dataIn(c, 0, 0, 0), nil)
			w.respond(dataIn(c, 0x81, 1, 0), data)
		}},
		"uneven pieces": {"", func(w *wire, c *header) {
			for i, off := range []int{0, 1, 3, 6, 1000} {
				end := []int{1, 3, 6, 1000, n}[i]
				w.inform(dataIn(c, 0, uint32(i), uint32(off)), data[off:end])
			}
			w.good(c)
		}},
		// "A status in a Data-In PDU ... StatSN ... only valid if the S bit is
		// set": the fields of the others are not looked at.
		"nonsense in fields without S": {"", func(w *wire, c *header) {
			h := w.number(dataIn(c, 0, 0, 0))
			h[3] = 0x02
			w.send(h.put(atStatSN, w.statSN+77).put(atResidual, 99), data[:512])
			w.respond(dataIn(c, 0x81, 1, 512), data[512:])
		}},
		"sequences in any order": {"DataSequenceInOrder=No", func(w *wire, c *header) {
			for i, off := range []int{2048, 3072, 0, 1024} {
				w.inform(dataIn(c, 0x80, uint32(i), uint32(off)), data[off:off+1024])
			}
			w.good(c)
		}},
		// A PDU with additional header segments keeps its data where they are.
		"AHS": {"", func(w *wire, c *header) {
			h := w.number(dataIn(c, 0x81, 0, 0))
			h[4] = 2
			h.setDataLength(n)
			w.nc.Write(append(append(h[:], 0, 5, 0x40, 1, 2, 3, 4, 5), data...))
			w.statSN++
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, c.keys)
			s, w := p.login()
			d := rawDisk(s, scsi.LUN{})
			g := newGuarded(n)
			command, done := w.reading(d, g)
			c.serve(w, command)
			if err := result(t, done); err != nil {
				t.Fatal(err)
			}
			same(t, "what was read", g.p, data)
			g.check(t)
			w.acknowledged(d)
		})
	}
}

// acknowledged checks that the next command acknowledges every numbered
// response, and no other.
func (w *wire) acknowledged(d *Disk) {
	w.t.Helper()
	done := readBlock(d, 0)
	h, _ := w.command()
	if h.get(atExpStatSN) != w.statSN {
		w.t.Errorf("ExpStatSN %#x, want %#x", h.get(atExpStatSN), w.statSN)
	}
	w.serveBlock(h, make([]byte, 512))
	if err := result(w.t, done); err != nil {
		w.t.Error(err)
	}
}

// TestDataInFaults: at error recovery level 0 they end the connection, and
// nothing outside of the caller's memory is touched.
func TestDataInFaults(t *testing.T) {
	const n = 4096
	data := pattern(7, n)
	for name, c := range map[string]struct {
		keys  string
		serve func(w *wire, c *header)
	}{
		// "the DataSN is the input PDU number within the data transfer for the
		// command" (RFC 7143, 11.7.5), from 0 (4.2.2.3).
		"gap in DataSN": {"", func(w *wire, c *header) {
			w.inform(dataIn(c, 0, 0, 0), data[:1024])
			w.inform(dataIn(c, 0x80, 2, 1024), data[1024:])
		}},
		"DataSN from 1":  {"", func(w *wire, c *header) { w.inform(dataIn(c, 0, 1, 0), data) }},
		"beyond the end": {"", func(w *wire, c *header) { w.inform(dataIn(c, 0x80, 0, 0), append(data, 1)) }},
		"far beyond":     {"", func(w *wire, c *header) { w.inform(dataIn(c, 0x80, 0, 0xffffff00), data) }},
		"a hole":         {"", func(w *wire, c *header) { w.inform(dataIn(c, 0x80, 0, 512), data[512:]) }},
		"the same again": {"", func(w *wire, c *header) {
			w.inform(dataIn(c, 0, 0, 0), data[:512])
			w.inform(dataIn(c, 0, 1, 0), data[:512])
		}},
		"beyond, in order": {"", func(w *wire, c *header) {
			w.inform(dataIn(c, 0, 0, 0), data[:4000])
			w.inform(dataIn(c, 0, 1, 4000), data[:97])
		}},
		"a part twice, where order is free": {"DataSequenceInOrder=No", func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 1024), data[1024:2048])
			w.inform(dataIn(c, 0x80, 1, 512), data[512:1025])
		}},
		// "MaxRecvDataSegmentLength ... the maximum data segment length in bytes
		// it can receive" (RFC 7143, 13.12).
		"segment too long":         {"", func(w *wire, c *header) { w.inform(dataIn(c, 0x80, 0, 0), make([]byte, 262145)) }},
		"unknown task":             {"", func(w *wire, c *header) { w.inform(dataIn(newHeader(0, 0).put(atITT, 0x00777001), 0x80, 0, 0), data) }},
		"reserved task":            {"", func(w *wire, c *header) { w.inform(dataIn(newHeader(0, 0).put(atITT, reservedTag), 0x80, 0, 0), data) }},
		"initiator's opcode":       {"", func(w *wire, c *header) { w.inform(newHeader(0x01, 0x80).put(atITT, c.get(atITT)), nil) }},
		"login response":           {"", func(w *wire, c *header) { w.inform(newHeader(0x23, 0x80).put(atITT, c.get(atITT)), nil) }},
		"response of another kind": {"", func(w *wire, c *header) { w.respond(newHeader(0x22, 0x80).put(atITT, c.get(atITT)), nil) }},
		"response to no task":      {"", func(w *wire, c *header) { w.respond(newHeader(0x21, 0x80).put(atITT, 0x00abc001), nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, c.keys)
			s, w := p.login()
			g := newGuarded(n)
			command, done := w.reading(rawDisk(s, scsi.LUN{}), g)
			c.serve(w, command)
			if err := w.ended(s); !errors.Is(err, ErrProtocol) {
				t.Errorf("the connection ended with: %v", err)
			}
			if err := result(t, done); !errors.Is(err, ErrSessionLost) {
				t.Errorf("the read ended with: %v", err)
			}
			g.check(t)
		})
	}
}

// TestDataInForWrite: a command without the R bit gets no data.
func TestDataInForWrite(t *testing.T) {
	p := newWirePeer(t, solicited)
	s, w := p.login()
	data := pattern(1, 512)
	command, _ := w.writing(rawDisk(s, scsi.LUN{}), data)
	w.inform(dataIn(command, 0x80, 0, 0), make([]byte, 512))
	if err := w.ended(s); !errors.Is(err, ErrProtocol) {
		t.Errorf("the connection ended with: %v", err)
	}
	same(t, "the caller's memory", data, pattern(1, 512))
}

// TestDataInForgotten: GOOD without all of the data is no success.
func TestDataInForgotten(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	for _, n := range []int{0, 512, 4095} {
		command, done := w.reading(d, newGuarded(4096))
		if n > 0 {
			w.inform(dataIn(command, 0x80, 0, 0), make([]byte, n))
		}
		w.good(command)
		if err := result(t, done); !errors.Is(err, ErrShort) {
			t.Errorf("%d of 4096 bytes: %v", n, err)
		}
	}
}
