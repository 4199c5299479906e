package target

import (
	"fmt"
	"io"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// defaultMaxRecv is MaxRecvDataSegmentLength until it is negotiated (RFC 7143,
// Section 13.12), in bytes.
const defaultMaxRecv = 8192

// PDU is one protocol data unit without padding and digests. A rule that
// changes it owns it; length fields are set when it is written.
type PDU struct {
	Header pdu.BHS
	AHS    []byte
	Data   []byte

	badDataDigest bool
	answer        *Answer // of an OnReceive rule: the SCSI result to give
}

// String shows the header as protocol.
func (p *PDU) String() string { return p.Header.String() }

// CDB returns the CDB of a SCSI Command, else nil.
func (p *PDU) CDB() []byte {
	if p.Header.Opcode() != pdu.OpSCSICommand {
		return nil
	}
	return p.Header[32:48]
}

// read takes one PDU from the socket. An error ends the connection.
func (c *conn) read() (*PDU, error) {
	p := new(PDU)
	if _, err := io.ReadFull(c.r, p.Header[:]); err != nil {
		return nil, err
	}
	p.AHS = make([]byte, p.Header.AHSLength())
	if _, err := io.ReadFull(c.r, p.AHS); err != nil {
		return nil, err
	}
	if err := c.readHeaderDigest(p); err != nil {
		return nil, err
	}
	if err := c.checkLength(p); err != nil {
		return nil, err
	}
	if err := c.readData(p); err != nil {
		return nil, err
	}
	c.t.rec.capture(fromInitiator, c, p)
	return p, nil
}

func (c *conn) readHeaderDigest(p *PDU) error {
	if !c.digests.header {
		return nil
	}
	var b [pdu.DigestLength]byte
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return err
	}
	if pdu.ReadDigest(b[:]) == pdu.Digest(0).Add(p.Header[:]).Add(p.AHS) {
		return nil
	}
	// Without a trustworthy length nothing behind it can be found.
	c.note(reqHeaderDigest, p, "")
	return fmt.Errorf("header digest of %v is wrong", p)
}

// checkLength bounds a data segment before memory is taken for it.
func (c *conn) checkLength(p *PDU) error {
	n := p.Header.DataSegmentLength()
	if n <= c.maxRecv {
		return nil
	}
	c.note(reqMaxRecv, p, fmt.Sprintf("%d bytes, at most %d were declared", n, c.maxRecv))
	if c.t.cfg.Strict {
		return fmt.Errorf("data segment of %v is longer than %d bytes", p, c.maxRecv)
	}
	return nil
}

func (c *conn) readData(p *PDU) error {
	n := p.Header.DataSegmentLength()
	if n == 0 {
		return nil
	}
	trailer := pdu.Padding(n)
	if c.digests.data {
		trailer += pdu.DigestLength
	}
	b := make([]byte, n+trailer)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return err
	}
	p.Data = b[:n:n]
	padded := b[:n+pdu.Padding(n)]
	c.checkPadding(p, padded[n:])
	if c.digests.data && pdu.ReadDigest(b[len(padded):]) != pdu.Digest(0).Add(padded) {
		p.badDataDigest = true
	}
	return nil
}

func (c *conn) checkPadding(p *PDU, padding []byte) {
	for _, b := range padding {
		if b != 0 {
			c.note(reqPadding, p, "")
			return
		}
	}
}

// encode returns a PDU as it stands on the wire: header with its digest, then
// data with padding and digest. Neither is copied unless padding or a digest
// follows.
func (p *PDU) encode(d digests) [][]byte {
	p.Header.SetAHSLength(len(p.AHS))
	p.Header.SetDataSegmentLength(len(p.Data))
	head := make([]byte, 0, pdu.BHSLength+len(p.AHS)+pdu.DigestLength)
	head = append(append(head, p.Header[:]...), p.AHS...)
	if d.header {
		head = appendDigest(head, pdu.Digest(0).Add(head))
	}
	if len(p.Data) == 0 {
		return [][]byte{head}
	}
	tail := make([]byte, pdu.Padding(len(p.Data)), 3+pdu.DigestLength)
	if d.data {
		tail = appendDigest(tail, pdu.Digest(0).Add(p.Data).AddPadding(len(p.Data)))
	}
	return [][]byte{head, p.Data, tail}
}

func appendDigest(b []byte, d pdu.Digest) []byte {
	var w [pdu.DigestLength]byte
	d.Put(w[:])
	return append(b, w[:]...)
}
