package integration

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// wiretap is a proxy in front of a portal that notes the SCSI commands of the
// initiator, in the order in which they were sent.
type wiretap struct {
	listener net.Listener
	portal   string
	running  sync.WaitGroup

	mu       sync.Mutex
	commands []byte // operation codes
	pdus     []byte // opcodes of RFC 7143
	open     []net.Conn
}

// Layout of the basic header segment, RFC 7143, 11.2 and 11.3.
const (
	bhsLength         = 48
	opcodeMask        = 0x3f
	opcodeSCSICommand = 0x01
	opcodeLogout      = 0x06
	cdbOffset         = 32
)

// Operation codes of SBC-3 that the tests look for.
const (
	opWrite10            = 0x2a
	opSynchronizeCache10 = 0x35
	opWrite16            = 0x8a
	opSynchronizeCache16 = 0x91
)

// tap starts a proxy in front of portal; it ends with the test. Digests must
// be off.
func tap(t *testing.T, portal string) *wiretap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{listener: l, portal: portal}
	w.running.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wiretap) address() string { return w.listener.Addr().String() }

func (w *wiretap) close() {
	w.listener.Close()
	w.cut()
	w.running.Wait()
}

// cut breaks every connection that passes through.
func (w *wiretap) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		c.Close()
	}
	w.open = nil
}

// seen returns the commands noted so far.
func (w *wiretap) seen() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]byte(nil), w.commands...)
}

// lastPDU is the opcode of the PDU that the initiator sent last.
func (w *wiretap) lastPDU() byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pdus[len(w.pdus)-1]
}

func (w *wiretap) accept() {
	for {
		initiator, err := w.listener.Accept()
		if err != nil {
			return
		}
		target, err := net.Dial("tcp", w.portal)
		if err != nil {
			initiator.Close()
			continue
		}
		w.mu.Lock()
		w.open = append(w.open, initiator, target)
		w.mu.Unlock()
		w.running.Go(func() { w.forward(target, initiator); target.Close() })
		w.running.Go(func() { io.Copy(initiator, target); initiator.Close() })
	}
}

// forward copies PDU after PDU from the initiator to the target.
func (w *wiretap) forward(target io.Writer, initiator io.Reader) {
	var bhs [bhsLength]byte
	for {
		if _, err := io.ReadFull(initiator, bhs[:]); err != nil {
			return
		}
		w.note(bhs)
		if _, err := target.Write(bhs[:]); err != nil {
			return
		}
		ahs := int64(bhs[4]) * 4
		data := int64(binary.BigEndian.Uint32(bhs[4:8]) & 0xffffff)
		if _, err := io.CopyN(target, initiator, ahs+(data+3)&^3); err != nil {
			return
		}
	}
}

func (w *wiretap) note(bhs [bhsLength]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	opcode := bhs[0] & opcodeMask
	w.pdus = append(w.pdus, opcode)
	if opcode == opcodeSCSICommand {
		w.commands = append(w.commands, bhs[cdbOffset])
	}
}
