package pdu

import "fmt"

// AsyncEvent is what an Asynchronous Message announces (RFC 7143, Section
// 11.9.1).
type AsyncEvent uint8

// The asynchronous events.
const (
	AsyncSCSI           AsyncEvent = 0   // sense data follow
	AsyncLogoutRequest  AsyncEvent = 1   // log out within Parameter3 seconds
	AsyncDropConnection AsyncEvent = 2   // connection Parameter1 will be dropped
	AsyncDropSession    AsyncEvent = 3   // all connections will be dropped
	AsyncNegotiate      AsyncEvent = 4   // start text negotiation within Parameter3 seconds
	AsyncTaskTerminated AsyncEvent = 5   // RFC 7144: all active tasks of the LUN were terminated
	AsyncVendor         AsyncEvent = 255 // AsyncVCode says what
)

var asyncNames = map[AsyncEvent]string{
	AsyncSCSI:           "SCSI asynchronous event",
	AsyncLogoutRequest:  "target requests logout",
	AsyncDropConnection: "target will drop the connection",
	AsyncDropSession:    "target will drop all connections of the session",
	AsyncNegotiate:      "target requests parameter negotiation",
	AsyncTaskTerminated: "target terminated the tasks of a LUN",
	AsyncVendor:         "vendor-specific event",
}

func (e AsyncEvent) String() string {
	if s, ok := asyncNames[e]; ok {
		return s
	}
	return fmt.Sprintf("unknown(%d)", uint8(e))
}

// AsyncMessage tells the initiator of an event no command asked for, as
// described in RFC 7143, Section 11.9.
type AsyncMessage struct {
	LUN [8]byte // with AsyncSCSI
	Sequence
	Event                              AsyncEvent
	VCode                              uint8
	Parameter1, Parameter2, Parameter3 uint16
}

var _ PDU = (*AsyncMessage)(nil)

// Marshal writes the header.
func (p *AsyncMessage) Marshal(b *BHS) {
	b.start(OpAsyncMessage, false, bitFinal)
	b.putLUN(p.LUN)
	b.put32(offITT, ReservedTag)
	p.Sequence.marshal(b)
	b[36], b[37] = byte(p.Event), p.VCode
	b.put16(38, p.Parameter1)
	b.put16(40, p.Parameter2)
	b.put16(42, p.Parameter3)
}

// Unmarshal reads the header.
func (p *AsyncMessage) Unmarshal(b *BHS) error {
	if err := b.expect(OpAsyncMessage); err != nil {
		return err
	}
	*p = AsyncMessage{
		LUN:        b.lun(),
		Event:      AsyncEvent(b[36]),
		VCode:      b[37],
		Parameter1: b.u16(38),
		Parameter2: b.u16(40),
		Parameter3: b.u16(42),
	}
	p.Sequence.unmarshal(b)
	return nil
}
