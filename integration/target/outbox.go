package target

import (
	"net"
	"sync"
)

// outgoing is a PDU on its way out with what must be known to write it.
type outgoing struct {
	p       *PDU
	digests digests
	cdb     []byte  // of the command it belongs to
	lun     [8]byte // of that command
	last    bool    // the connection's write side closes after it
	passed  bool    // the rules have been applied
}

// outbox is the queue between whoever answers and the writer goroutine, which
// alone takes from it. It is not bounded: the command window bounds it.
type outbox struct {
	mu     sync.Mutex
	wake   sync.Cond
	queue  []outgoing
	closed bool
	ending bool // write what is queued, then stop
}

func (o *outbox) init() { o.wake.L = &o.mu }

// put queues a PDU; after close it is dropped.
func (o *outbox) put(g outgoing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.queue = append(o.queue, g)
		o.wake.Signal()
	}
}

// take waits for PDUs and returns all that are queued, nil at the end.
func (o *outbox) take() []outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 && !o.closed && !o.ending {
		o.wake.Wait()
	}
	if o.closed {
		return nil
	}
	q := o.queue
	o.queue = nil
	return q
}

// close drops what is queued and ends the writer.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.queue = true, nil
	o.wake.Broadcast()
}

// finish lets the writer end after what is queued.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ending = true
	o.wake.Broadcast()
}

// runWriter writes the outbox to the socket until the connection ends.
func (c *conn) runWriter() {
	defer c.t.wg.Done()
	for {
		batch := c.out.take()
		if len(batch) == 0 {
			c.closeWrite()
			return
		}
		for _, g := range batch {
			c.t.script.send(c, g)
			if g.last {
				c.closeWrite()
				return
			}
		}
	}
}

// write puts one PDU on the wire; a failure cuts the connection.
func (c *conn) write(g outgoing) {
	c.t.rec.capture(fromTarget, c, g.p)
	buffers := net.Buffers(g.p.encode(g.digests))
	if _, err := buffers.WriteTo(c.net); err != nil {
		c.cut()
	}
}

func (c *conn) closeWrite() {
	if tcp, ok := c.net.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
}
