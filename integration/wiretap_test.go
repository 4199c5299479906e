package integration

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/iscsifs/iscsifs/integration/proxy"
)

// wiretap is a proxy in front of a portal that notes the SCSI commands of the
// initiator, in the order in which they were sent. Digests must be off.
type wiretap struct {
	*proxy.Proxy

	mu       sync.Mutex
	commands []byte // operation codes
	pdus     []byte // opcodes of RFC 7143
}

// Layout of the basic header segment, RFC 7143, 11.2 and 11.3.
const (
	bhsLength         = 48
	digestLength      = 4
	opcodeMask        = 0x3f
	opcodeSCSICommand = 0x01
	opcodeTaskMgmt    = 0x02
	opcodeLogin       = 0x03
	opcodeDataOut     = 0x05
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

// tap starts a proxy in front of portal; it ends with the test.
func tap(t *testing.T, portal string) *wiretap {
	t.Helper()
	w := new(wiretap)
	w.Proxy = passOn(t, portal, proxy.Options{Watch: func() func([]byte) { return pduReader{}.notes(w.note) }})
	return w
}

// passOn starts a proxy in front of portal; it ends with the test.
func passOn(t *testing.T, portal string, o proxy.Options) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Start(portal, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// seen returns the commands noted so far.
func (w *wiretap) seen() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]byte(nil), w.commands...)
}

// saw tells whether the initiator has sent a PDU with an opcode.
func (w *wiretap) saw(opcode byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.IndexByte(w.pdus, opcode) >= 0
}

// lastPDU is the opcode of the PDU that the initiator sent last.
func (w *wiretap) lastPDU() byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pdus[len(w.pdus)-1]
}

func (w *wiretap) note(bhs [bhsLength]byte, _ []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	opcode := bhs[0] & opcodeMask
	w.pdus = append(w.pdus, opcode)
	if opcode == opcodeSCSICommand {
		w.commands = append(w.commands, bhs[cdbOffset])
	}
}

// pduReader finds the headers in a stream of PDUs that comes in pieces of any size.
type pduReader struct {
	digests bool // both are in use
	header  [bhsLength]byte
	have    int // bytes of header
	skip    int // bytes of what follows it
}

// notes returns a function that takes the stream and gives each header to note,
// together with what stands behind it in the same piece.
func (r pduReader) notes(note func(header [bhsLength]byte, behind []byte)) func([]byte) {
	return func(p []byte) {
		for len(p) > 0 {
			if r.skip > 0 {
				n := min(r.skip, len(p))
				r.skip, p = r.skip-n, p[n:]
				continue
			}
			n := copy(r.header[r.have:], p)
			r.have, p = r.have+n, p[n:]
			if r.have == len(r.header) {
				note(r.header, p)
				r.have, r.skip = 0, r.behind()
			}
		}
	}
}

// behind is how much follows the header, padding and digests included.
func (r *pduReader) behind() int {
	data := int(binary.BigEndian.Uint32(r.header[4:8]) & 0xffffff)
	n := int(r.header[4])*4 + (data+3)&^3
	if r.digests && r.header[0]&opcodeMask != opcodeLogin { // they come into force behind the login
		n += digestLength
		if data > 0 {
			n += digestLength
		}
	}
	return n
}
