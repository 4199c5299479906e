package initiator

import (
	"errors"
	"fmt"
	"io"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// inbox reads PDUs. Headers and small segments come through a buffer, so that
// one system call often brings several PDUs; long data goes around it.
type inbox struct {
	c    *conn
	buf  []byte
	r, w int // unread bytes are buf[r:w]

	bhs     pdu.BHS
	segment []byte // data of the present PDU, unless it went to a task's memory
	tail    [3 + pdu.DigestLength]byte
	scatter scatter
}

// Sizes of the inbox in bytes.
const (
	inboxSize = 16 << 10
	// directSize is the length from which data bypasses the buffer.
	directSize = inboxSize / 2
)

func (in *inbox) init(c *conn) {
	in.c = c
	in.buf = make([]byte, inboxSize)
	in.scatter.init(c.nc)
}

// readLoop receives until the connection ends.
func (c *conn) readLoop() {
	for {
		if err := c.receive(); err != nil {
			c.fail(readError(err))
			return
		}
	}
}

// receive reads one PDU and acts on it.
func (c *conn) receive() error {
	if err := c.in.readHeader(); err != nil {
		return err
	}
	// RFC 7143, 13.12: MaxRecvDataSegmentLength is the maximum data segment
	// that this side declared to be able to receive.
	if n := c.in.bhs.DataSegmentLength(); n > c.params.MaxRecvDataSegmentLength {
		return protocolErrorf("%v PDU with %d bytes of data, more than the %d of MaxRecvDataSegmentLength",
			c.in.bhs.Opcode(), n, c.params.MaxRecvDataSegmentLength)
	}
	if c.in.bhs.Opcode() == pdu.OpDataIn {
		return c.receiveDataIn()
	}
	if err := c.in.readSegment(); err != nil {
		return err
	}
	return c.dispatch(&c.in.bhs, c.in.segment)
}

// readHeader reads the BHS, the AHS, which no PDU that an initiator receives
// gives a meaning to, and the header digest.
func (in *inbox) readHeader() error {
	if err := in.readFull(in.bhs[:]); err != nil {
		return err
	}
	var ahs []byte
	if n := in.bhs.AHSLength(); n > 0 {
		ahs = make([]byte, n)
		if err := in.readFull(ahs); err != nil {
			return noEOF(err)
		}
	}
	if !in.c.params.HeaderDigest {
		return nil
	}
	return in.checkDigest("header", pdu.Digest(0).Add(in.bhs[:]).Add(ahs))
}

// readSegment reads the data segment into memory of the inbox.
func (in *inbox) readSegment() error {
	n := in.bhs.DataSegmentLength()
	if cap(in.segment) < n {
		in.segment = make([]byte, n)
	}
	in.segment = in.segment[:n]
	if err := in.readFull(in.segment); err != nil {
		return noEOF(err)
	}
	return in.readTrailer(n, in.digest(0, in.segment))
}

// digest continues the digest of a data segment, where one is in use.
func (in *inbox) digest(d pdu.Digest, p []byte) pdu.Digest {
	if in.c.params.DataDigest {
		return d.Add(p)
	}
	return d
}

// readTrailer reads what follows n bytes of data: padding and digest.
func (in *inbox) readTrailer(n int, d pdu.Digest) error {
	pad := in.tail[:pdu.Padding(n)]
	if err := in.readFull(pad); err != nil {
		return noEOF(err)
	}
	// RFC 7143, 11.2.3: a PDU without data has no data digest either.
	if n == 0 || !in.c.params.DataDigest {
		return nil
	}
	return in.checkDigest("data", d.Add(pad))
}

// checkDigest reads a digest and compares it.
func (in *inbox) checkDigest(what string, computed pdu.Digest) error {
	b := in.tail[3:]
	if err := in.readFull(b); err != nil {
		return noEOF(err)
	}
	if pdu.ReadDigest(b) == computed {
		return nil
	}
	in.c.s.stats.digestErrors.Add(1)
	return fmt.Errorf("%w: the %s digest of a %v PDU does not match: data was damaged on the way",
		ErrProtocol, what, in.bhs.Opcode())
}

// readFull fills p from the buffer and the socket. A clean end of the
// connection before the first byte is io.EOF.
func (in *inbox) readFull(p []byte) error {
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	for n < len(p) {
		if len(p)-n >= directSize {
			m, err := in.read(p[n:])
			if n += m; err != nil {
				return err
			}
			continue
		}
		m, err := in.read(in.buf)
		if err != nil {
			if n > 0 {
				return noEOF(err)
			}
			return err
		}
		in.r, in.w = 0, m
		k := copy(p[n:], in.buf[:m])
		in.r, n = k, n+k
	}
	return nil
}

// fill reads the bytes [off, end) of a vector, first from the buffer. What the
// socket holds beyond them goes to the buffer with the same system call.
func (in *inbox) fill(v *vector, off, end int) error {
	for off < end && in.r < in.w {
		n := copy(v.at(off, end-off), in.buf[in.r:in.w])
		off, in.r = off+n, in.r+n
	}
	for off < end {
		n, err := in.readVector(v, off, end)
		if err != nil {
			return err
		}
		off += n
	}
	return nil
}

// readVector is one system call of fill. It returns how much of the vector it
// filled.
func (in *inbox) readVector(v *vector, off, end int) (int, error) {
	s := &in.scatter
	s.reset()
	at := off
	for at < end && !s.full() {
		b := v.at(at, end-at)
		s.add(b)
		at += len(b)
	}
	if at == end && !s.full() {
		s.add(in.buf)
	}
	n, err := s.read()
	in.c.s.stats.rxOctets.Add(int64(n))
	in.r, in.w = 0, max(n-(at-off), 0)
	return min(n, at-off), err
}

// read is one read of the socket: at least one byte or an error.
func (in *inbox) read(p []byte) (int, error) {
	for {
		n, err := in.c.nc.Read(p)
		in.c.s.stats.rxOctets.Add(int64(n))
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// noEOF makes an end of the stream inside a PDU an error of its own.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// errClosedByTarget is how a connection ends that the other side closes.
var errClosedByTarget = errors.New("the target closed the connection")

// readError words the end of a connection.
func readError(err error) error {
	switch err {
	case io.EOF:
		return errClosedByTarget
	case io.ErrUnexpectedEOF:
		return fmt.Errorf("%w in the middle of a PDU", errClosedByTarget)
	}
	return err
}

// protocolErrorf says which rule of the RFC the target broke.
func protocolErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}
