package target

import (
	"slices"
	"sync"
)

const (
	fromInitiator = false
	fromTarget    = true
)

// Captured is one PDU that passed on some connection.
type Captured struct {
	FromTarget bool
	Initiator  string // address of its end of the connection
	PDU        PDU
}

// Capture collects PDUs from its beginning to Stop.
type Capture struct {
	rec  *recorder
	mu   sync.Mutex
	pdus []Captured
}

// Capture begins to collect the PDUs of all connections, as they are read and
// as they are about to be written after all rules. Data segments are shared,
// not copied: keep captures short.
func (t *Target) Capture() *Capture {
	c := &Capture{rec: &t.rec}
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	if t.rec.captures == nil {
		t.rec.captures = map[*Capture]struct{}{}
	}
	t.rec.captures[c] = struct{}{}
	return c
}

// Stop ends the collecting.
func (c *Capture) Stop() {
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	delete(c.rec.captures, c)
}

// PDUs returns what was collected so far.
func (c *Capture) PDUs() []Captured {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.pdus)
}

// capture counts a PDU and gives it to all captures.
func (r *recorder) capture(fromTarget bool, c *conn, p *PDU) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fromTarget {
		r.counters.PDUsOut++
		r.counters.BytesOut += int64(len(p.Data))
	} else {
		r.counters.PDUsIn++
		r.counters.BytesIn += int64(len(p.Data))
	}
	for capture := range r.captures {
		capture.mu.Lock()
		capture.pdus = append(capture.pdus, Captured{fromTarget, c.net.RemoteAddr().String(), *p})
		capture.mu.Unlock()
	}
}
