package target

import (
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Action decides what becomes of an event. Several compose with Do.
type Action func(*Event)

// plan is what the actions of an event have decided.
type plan struct {
	drop        bool
	gate, stall *Gate
	delay       time.Duration
	copies      int // beyond the one that goes its way
	swap        bool
	cut         cutPoint
	cutAt       int // bytes, of cutInside
	flips       []Flip
	split       int // bytes per write
	answer      *Answer
	login       *loginAnswer
}

type cutPoint int

const (
	noCut cutPoint = iota
	cutBefore
	cutInside
	cutAfter
)

type loginAnswer struct {
	status loginStatus
	keys   []pdu.KeyValue
}

// Do joins actions into one.
func Do(actions ...Action) Action {
	return func(e *Event) {
		for _, a := range actions {
			a(e)
		}
	}
}

// Pass does nothing; its rule counts.
func Pass() Action { return func(*Event) {} }

// Drop lets the PDU vanish; in OnExecute the command is never executed.
func Drop() Action { return func(e *Event) { e.plan.drop = true } }

// Hold parks the PDU, or the command, until the gate opens; others pass it.
func Hold(g *Gate) Action { return func(e *Event) { e.plan.gate = g } }

// Stall stops all that the connection reads or writes until the gate opens.
func Stall(g *Gate) Action { return func(e *Event) { e.plan.stall = g } }

// Delay is Hold for a time.
func Delay(d time.Duration) Action { return func(e *Event) { e.plan.delay = d } }

// Duplicate passes the PDU on once more.
func Duplicate() Action { return func(e *Event) { e.plan.copies++ } }

// Reorder lets the next PDU of the connection pass first.
func Reorder() Action { return func(e *Event) { e.plan.swap = true } }

// CutBefore closes the connection instead of passing the PDU on.
func CutBefore() Action { return func(e *Event) { e.plan.cut = cutBefore } }

// CutAfter closes the connection after the PDU was passed on. In OnExecute the
// command is executed and its response lost.
func CutAfter() Action { return func(e *Event) { e.plan.cut = cutAfter } }

// CutAt closes the connection after n bytes of the PDU were written.
func CutAt(n int) Action {
	return func(e *Event) { e.plan.cut, e.plan.cutAt = cutInside, n }
}

// Split writes the PDU n bytes at a time, each in a segment of its own.
func Split(n int) Action { return func(e *Event) { e.plan.split = n } }

// Edit changes the PDU before it goes on: after the target has made it and
// before its digests and lengths are set.
func Edit(f func(*PDU)) Action { return func(e *Event) { f(e.PDU) } }

// SetKey sets a text key in the data of login and text PDUs, at the end where
// it is missing; RemoveKey takes it out.
func SetKey(key, value string) Action {
	return Edit(func(p *PDU) {
		p.Data = pdu.AppendKeys(withoutKey(p.Data, key), pdu.KeyValue{Key: key, Value: value})
	})
}

// RemoveKey takes a text key out of the data of login and text PDUs.
func RemoveKey(key string) Action {
	return Edit(func(p *PDU) { p.Data = withoutKey(p.Data, key) })
}

func withoutKey(text []byte, key string) []byte {
	keys, err := pdu.ParseKeys(text)
	if err != nil {
		return text
	}
	var b []byte
	for _, kv := range keys {
		if kv.Key != key {
			b = pdu.AppendKeys(b, kv)
		}
	}
	return b
}

// Section is a part of a PDU as it stands on the wire.
type Section int

// The sections of a PDU.
const (
	Header Section = iota
	HeaderDigest
	Data
	DataDigest
)

// Flip names a bit to turn around.
type Flip struct {
	Section Section
	Byte    int
	Bit     uint
}

// Corrupt turns bits around on the wire, after the digests were made. A bit
// beyond its section is left alone.
func Corrupt(flips ...Flip) Action {
	return func(e *Event) { e.plan.flips = append(e.plan.flips, flips...) }
}

// AnswerWith ends the SCSI command with a result of its own: in OnReceive
// before its data is asked for, in OnExecute with all its data.
func AnswerWith(a Answer) Action { return func(e *Event) { e.plan.answer = &a } }

// AnswerLogin refuses the login with a status (RFC 7143, Section 11.13.5).
func AnswerLogin(class, detail uint8) Action {
	status := loginStatus(class)<<8 | loginStatus(detail)
	return func(e *Event) { e.plan.login = &loginAnswer{status: status} }
}

// Redirect sends the login to another address, such as "[::1]:3260,1": for
// good with status 0102, else with 0101.
func Redirect(address string, permanent bool) Action {
	a := loginAnswer{status: 0x0101, keys: []pdu.KeyValue{{Key: "TargetAddress", Value: address}}}
	if permanent {
		a.status = 0x0102
	}
	return func(e *Event) { e.plan.login = &a }
}
