package target

import (
	"slices"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Violation is one breach of RFC 7143 by an initiator.
type Violation struct {
	Requirement
	Initiator string // address of its end of the connection
	PDU       PDU    // the one that broke it
	Detail    string
}

// String names the rule and the PDU.
func (v Violation) String() string {
	s := "RFC 7143, Section " + v.Section + " (" + v.Name + "): " + v.Sentence + " Broken by " + v.PDU.String()
	if v.Detail != "" {
		s += ": " + v.Detail
	}
	return s
}

// Violations returns all breaches so far, in order; at most the first 1,000.
// They are noted whether the target is strict or not.
func (t *Target) Violations() []Violation {
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	return slices.Clone(t.rec.violations)
}

const maxViolations = 1000

// note records a breach and does nothing about it.
func (c *conn) note(r *Requirement, p *PDU, detail string) {
	v := Violation{Requirement: *r, Initiator: c.net.RemoteAddr().String(), PDU: *p, Detail: detail}
	c.log.Warn().Str("rule", r.Name).Stringer("pdu", p).Msg(v.String())
	c.t.rec.mu.Lock()
	defer c.t.rec.mu.Unlock()
	if len(c.t.rec.violations) < maxViolations {
		c.t.rec.violations = append(c.t.rec.violations, v)
	}
}

// violate records a breach and tells whether the PDU must not be processed
// further, after having answered it as the RFC wants. Requires Target.mu and a
// session.
func (c *conn) violate(r *Requirement, p *PDU, detail string) (refused bool) {
	c.note(r, p, detail)
	if !c.refuses(r) {
		return false
	}
	switch {
	case r.reaction.reject == 0:
		c.cut()
	case r.reaction.drop:
		c.queueLast(c.rejection(p, r.reaction.reject))
		c.endReading()
	default:
		c.queue(c.rejection(p, r.reaction.reject))
	}
	return true
}

// refuses tells whether the target does more than take note.
func (c *conn) refuses(r *Requirement) bool {
	return r.reaction.always || c.t.cfg.Strict && (r.reaction.reject != 0 || r.reaction.drop)
}

// rejection is a Reject with the header of the PDU that it refuses (RFC 7143,
// Section 11.17).
func (c *conn) rejection(p *PDU, reason pdu.RejectReason) (pdu.PDU, []byte) {
	header := append(slices.Clone(p.Header[:]), p.AHS...)
	return &pdu.Reject{Reason: reason, Sequence: c.status()}, header
}
