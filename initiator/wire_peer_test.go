package initiator

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// header is a Basic Header Segment, handled by the byte offsets of RFC 7143,
// Section 11, and not with the encoder under test.
type header [48]byte

// Offsets of fields in a header.
const (
	atLUN         = 8
	atITT         = 16
	atTTT         = 20
	atEDTL        = 20
	atRefTag      = 20
	atCmdSN       = 24 // of requests
	atExpStatSN   = 28
	atStatSN      = 24 // of responses
	atExpCmdSN    = 28
	atMaxCmdSN    = 32
	atRefCmdSN    = 32
	atDataSN      = 36
	atOffset      = 40
	atResidual    = 44
	atDesired     = 44
	reservedTag   = 0xffffffff
	testLUNBlocks = 1 << 20
)

func newHeader(opcode, flags byte) *header { return &header{opcode, flags} }

func (h *header) get(at int) uint32 { return binary.BigEndian.Uint32(h[at:]) }

func (h *header) put(at int, v uint32) *header {
	binary.BigEndian.PutUint32(h[at:], v)
	return h
}

func (h *header) opcode() byte    { return h[0] & 0x3f }
func (h *header) immediate() bool { return h[0]&0x40 != 0 }
func (h *header) final() bool     { return h[1]&0x80 != 0 }
func (h *header) dataLength() int { return int(h[5])<<16 | int(h[6])<<8 | int(h[7]) }

func (h *header) setDataLength(n int) { h[5], h[6], h[7] = byte(n>>16), byte(n>>8), byte(n) }

// wire is the target's end of one connection: the test itself is the target.
type wire struct {
	t                          *testing.T
	nc                         net.Conn
	statSN, expCmdSN, maxCmdSN uint32
}

// wirePeer is a portal whose connections the test serves by hand.
type wirePeer struct {
	t      *testing.T
	listen net.Listener
	keys   string // answer to the operational keys
	window uint32 // MaxCmdSN - ExpCmdSN + 1 of the login response
}

func newWirePeer(t *testing.T, keys string) *wirePeer {
	t.Helper()
	noLeak(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &wirePeer{t: t, listen: l, keys: keys, window: 64}
}

// accept takes a connection and answers its login.
func (p *wirePeer) accept() *wire {
	nc, err := p.listen.Accept()
	if err != nil {
		return nil // the test has ended
	}
	w := &wire{t: p.t, nc: nc, statSN: 0xfffffff0} // wraps soon
	for {
		h, _ := w.read()
		if h == nil || h.opcode() != 0x03 {
			p.t.Errorf("%x instead of a Login Request", h)
			nc.Close()
			return nil
		}
		w.expCmdSN = h.get(atCmdSN)
		w.maxCmdSN = w.expCmdSN + p.window - 1
		var keys []byte
		r := newHeader(0x23, h[1]&0x8f)
		if h[1]>>2&3 == 1 {
			keys = reply{keys: p.keys}.data()
		} else {
			keys = reply{keys: "AuthMethod=None"}.data()
		}
		copy(r[8:14], h[8:14])
		r[15] = 1 // TSIH
		r.put(atITT, h.get(atITT))
		w.respond(r, keys)
		if h[1]&0x83 == 0x83 {
			return w
		}
	}
}

// login makes a session with the peer; the test serves its connection.
func (p *wirePeer) login(changes ...func(*Config)) (*Session, *wire) {
	p.t.Helper()
	cfg := *testConfig()
	cfg.Portals = []string{p.listen.Addr().String()}
	cfg.NoopInterval = -1
	cfg.ReplacementTimeout = 0
	for _, change := range changes {
		change(&cfg)
	}
	accepted := make(chan *wire, 1)
	go func() { accepted <- p.accept() }()
	s, err := Login(context.Background(), cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	w := <-accepted
	p.t.Cleanup(func() {
		w.nc.Close()
		s.Close()
	})
	return s, w
}

// rawDisk is LUN 0 without the commands of OpenDisk.
func rawDisk(s *Session, lun scsi.LUN) *Disk {
	d := newDisk(s, lun, &DiskInfo{LUN: lun, Capacity: scsi.Capacity{Blocks: testLUNBlocks, BlockSize: 512}})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disks[lun] = d
	return d
}

// read returns the next PDU, nil when the initiator has closed the connection.
func (w *wire) read() (*header, []byte) {
	w.t.Helper()
	w.nc.SetReadDeadline(time.Now().Add(soon))
	h := new(header)
	if _, err := io.ReadFull(w.nc, h[:]); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Error("the initiator sends nothing")
		}
		return nil, nil
	}
	data := make([]byte, (h.dataLength()+3)&^3)
	if _, err := io.ReadFull(w.nc, data); err != nil {
		return nil, nil
	}
	return h, data[:h.dataLength()]
}

// expect returns the next PDU, which must have the opcode.
func (w *wire) expect(opcode byte) (*header, []byte) {
	w.t.Helper()
	h, data := w.read()
	if h == nil || h.opcode() != opcode {
		w.t.Fatalf("%x instead of a PDU with opcode %#x", h, opcode)
	}
	return h, data
}

// send sends a PDU as it is.
func (w *wire) send(h *header, data []byte) {
	h.setDataLength(len(data))
	b := append(h[:], data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	w.nc.Write(b)
}

// number fills in StatSN and the window.
func (w *wire) number(h *header) *header {
	return h.put(atStatSN, w.statSN).put(atExpCmdSN, w.expCmdSN).put(atMaxCmdSN, w.maxCmdSN)
}

// respond sends a PDU that consumes a StatSN.
func (w *wire) respond(h *header, data []byte) {
	w.send(w.number(h), data)
	w.statSN++
}

// inform sends a PDU that carries the next StatSN and consumes none.
func (w *wire) inform(h *header, data []byte) { w.send(w.number(h), data) }

// command reads a SCSI Command, which moves the window on by one.
func (w *wire) command() (*header, []byte) {
	w.t.Helper()
	h, data := w.expect(0x01)
	w.expCmdSN++
	w.maxCmdSN++
	return h, data
}

// good answers a command.
func (w *wire) good(command *header) {
	w.respond(newHeader(0x21, 0x80).put(atITT, command.get(atITT)), nil)
}

// status answers a command with a SCSI status and sense data.
func (w *wire) status(command *header, status byte, sense []byte) {
	h := newHeader(0x21, 0x80).put(atITT, command.get(atITT))
	h[3] = status
	if sense != nil {
		sense = append([]byte{0, byte(len(sense))}, sense...)
	}
	w.respond(h, sense)
}

// dataIn makes a Data-In for a command.
func dataIn(command *header, flags byte, dataSN, offset uint32) *header {
	return newHeader(0x25, flags).put(atITT, command.get(atITT)).put(atTTT, reservedTag).
		put(atDataSN, dataSN).put(atOffset, offset)
}

// r2t makes a Ready To Transfer for a command.
func r2t(command *header, ttt, r2tSN, offset, length uint32) *header {
	h := newHeader(0x31, 0x80).put(atITT, command.get(atITT)).put(atTTT, ttt).
		put(atDataSN, r2tSN).put(atOffset, offset).put(atDesired, length)
	copy(h[atLUN:16], command[atLUN:16])
	return h
}

// quiet proves that nothing is on its way: a ping is answered before anything
// else comes.
func (w *wire) quiet() {
	w.t.Helper()
	w.inform(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, 0x51e27), nil)
	if h, _ := w.read(); h == nil || h.opcode() != 0x00 || h.get(atTTT) != 0x51e27 {
		w.t.Fatalf("%x was sent, where nothing may be", h)
	}
}

// ended waits until the initiator has closed the connection and returns why.
func (w *wire) ended(s *Session) error {
	w.t.Helper()
	for {
		if h, _ := w.read(); h == nil {
			break
		}
	}
	await(w.t, "recovering", func() bool { return s.Status().State == Recovering })
	return s.Status().Reason
}
