package initiator

import (
	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// receiveDataIn reads data straight into the memory of the task that waits
// for it, and ends the task where the PDU brings its status too (RFC 7143,
// Section 11.7).
func (c *conn) receiveDataIn() error {
	var d pdu.DataIn
	if err := d.Unmarshal(&c.in.bhs); err != nil {
		return err
	}
	n := c.in.bhs.DataSegmentLength()
	t, err := c.beginDataIn(&d, n)
	if err != nil {
		return err
	}
	if t == nil {
		return c.in.readSegment() // of an aborted task: read and dropped
	}
	err = c.in.readData(t, int(d.BufferOffset), n)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err == nil {
		c.endDataInLocked(t, &d, n)
	}
	t.unpinLocked() // last: the task may be its submitter's from here on
	return err
}

// beginDataIn checks the PDU against its task and pins the task's memory.
func (c *conn) beginDataIn(d *pdu.DataIn, n int) (*task, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.stats.DataIn++
	c.s.window.update(d.Sequence)
	if d.HasStatus {
		c.statSNLocked(d.Sequence)
	}
	t, err := c.taskLocked(&c.in.bhs, kindCommand)
	if t == nil {
		return nil, err
	}
	if err := c.checkDataInLocked(t, d, n); err != nil {
		return nil, err
	}
	t.dataSN++
	t.pins++
	return t, nil
}

func (c *conn) checkDataInLocked(t *task, d *pdu.DataIn, n int) error {
	off := int(d.BufferOffset)
	switch {
	case !t.read:
		return protocolErrorf("SCSI Data-In for a command that reads nothing")
	// RFC 7143, 11.7.5: DataSN starts at 0 for each command and counts its
	// Data-In PDUs; at error recovery level 0 a gap means that data were lost.
	case d.DataSN != t.dataSN:
		return protocolErrorf("DataSN is %d where %d is due", d.DataSN, t.dataSN)
	case off+n > t.data.len:
		return protocolErrorf("SCSI Data-In beyond the %d bytes of the command", t.data.len)
	// An empty segment, sent for its status, has no place.
	case n == 0:
		return nil
	// RFC 7143, 13.18 and 13.19: with both keys at Yes, data arrive at
	// continuously increasing addresses.
	case c.params.DataPDUInOrder && c.params.DataSequenceInOrder && off != t.received:
		return protocolErrorf("SCSI Data-In at offset %d where %d is due", off, t.received)
	case !(c.params.DataPDUInOrder && c.params.DataSequenceInOrder) && !t.cover(off, off+n):
		return protocolErrorf("SCSI Data-In at offset %d brings bytes a second time", off)
	}
	return nil
}

// readData reads n bytes into the task's memory, which the caller has pinned.
func (in *inbox) readData(t *task, off, n int) error {
	if err := in.fill(&t.data, off, off+n); err != nil {
		return noEOF(err)
	}
	var sum pdu.Digest
	for at := off; in.c.params.DataDigest && at < off+n; {
		b := t.data.at(at, off+n-at)
		sum = sum.Add(b)
		at += len(b)
	}
	return in.readTrailer(n, sum)
}

// endDataInLocked notes the progress and takes the status, if there is one.
func (c *conn) endDataInLocked(t *task, d *pdu.DataIn, n int) {
	// It may have ended meanwhile, or been sent again with another tag.
	if t.state != taskSent || t.itt != d.ITT {
		return
	}
	t.received += n
	t.progressLocked()
	if d.HasStatus {
		// RFC 7143, 11.4.3: status in a Data-In implies Command Completed.
		t.response, t.status, t.residual = pdu.CommandCompleted, scsi.Status(d.Status), d.Residual
		c.s.endLocked(t, nil)
	}
	if c.mayStartLocked() {
		c.wake()
	}
}
