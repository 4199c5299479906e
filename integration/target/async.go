package target

import (
	"encoding/binary"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// SendAsync sends an asynchronous message on every connection (RFC 7143,
// Section 11.9); its numbering is filled in. sense is the data of
// AsyncSCSI, as it goes on the wire behind its length. What the message
// announces is left to the caller, see CutConnections.
func (t *Target) SendAsync(m pdu.AsyncMessage, sense []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var segment []byte
	if len(sense) > 0 {
		segment = append(binary.BigEndian.AppendUint16(nil, uint16(len(sense))), sense...)
	}
	for _, s := range t.sessions {
		for _, c := range s.conns {
			h := m
			h.Sequence = c.status()
			c.queue(&h, segment)
		}
	}
}

// SendReject sends a Reject of a header that the initiator may or may not have
// sent.
func (t *Target) SendReject(reason pdu.RejectReason, header pdu.BHS) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		for _, c := range s.conns {
			c.queue(&pdu.Reject{Reason: reason, Sequence: c.status()}, header[:])
		}
	}
}
