package initiator

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// conn is one connection in full feature phase. It has two goroutines, both
// started by its start and both ended by its socket's end:
//
//	reader   owns the socket's read side and puts data straight into the
//	         memory of the task that waits for it
//	watchdog pings an idle target and ends a silent connection
//
// The write side has no goroutine that owns it but a token, sending: whoever
// queues a request and finds the token free takes it and writes for all until
// nothing is left to send, see send.go. The reader must never wait for the
// write side, so it leaves its own requests to the goroutine flusher.
type conn struct {
	s      *Session
	nc     net.Conn
	params Params
	portal string
	began  time.Time

	out outbox // owned by the holder of the sending token
	in  inbox  // owned by the reader

	// Guarded by Session.mu.
	sending   bool
	expStatSN uint32
	replies   []nopReply
	err       error // why the connection ended
	time2wait time.Duration
	closing   bool // a Logout Request is sent, or on its way: no request follows it
	loggedOut bool // the target has carried out a logout
	leaving   bool // the target has asked for a logout
	// negotiations is how often the target has asked for one and got none yet.
	negotiations int
	asyncLogged  time.Time  // when an asynchronous message was last logged for all
	given        int        // commands given up without the target's word, see lastRung
	idle         *sync.Cond // signalled when the sending token is given back

	flush chan struct{} // capacity 1: there is something to send
	down  chan struct{} // closed when the connection has ended
	wg    sync.WaitGroup
}

// nopReply answers a target's ping.
type nopReply struct {
	lun [8]byte
	ttt uint32
}

// maxReplies bounds the answers to pings that wait to be sent: a target that
// has more unanswered pings under way is not sane.
const maxReplies = 256

func newConn(s *Session, c *connected) *conn {
	conn := &conn{
		s:         s,
		nc:        c.conn,
		params:    c.params,
		portal:    c.portal,
		began:     time.Now(),
		expStatSN: c.expStatSN,
		time2wait: time.Duration(c.params.DefaultTime2Wait) * time.Second,
		flush:     make(chan struct{}, 1),
		down:      make(chan struct{}),
	}
	conn.idle = sync.NewCond(&s.mu)
	conn.in.init(conn)
	conn.out.init(conn)
	return conn
}

// start begins to use the connection. The session has made it its own before.
func (c *conn) start() {
	c.wg.Go(c.readLoop)
	c.wg.Go(c.watch)
	c.wg.Go(c.flusher)
	c.wake()
}

// fail ends the connection; the first reason given is the one that counts. It
// may be called from anywhere but with Session.mu held.
func (c *conn) fail(err error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.failLocked(err)
}

func (c *conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	close(c.down)
	c.forgetUnsent()
	c.nc.Close()
}

// forgetUnsent keeps the kernel from delivering, after the close, what the target
// has not taken yet: when a dead network heals within minutes, a write from then
// would reach a session that the target never saw end, and overwrite what was
// written since through another portal.
func (c *conn) forgetUnsent() {
	if tcp, ok := c.nc.(*net.TCPConn); ok && !c.loggedOut {
		_ = tcp.SetLinger(0) // fails only on a socket that is gone
	}
}

// wait returns when neither the connection's goroutines nor a writer touch the
// memory of a task any more. The connection has failed before.
func (c *conn) wait() {
	c.wg.Wait()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for c.sending {
		c.idle.Wait()
	}
}

// bind returns a context that ends with the connection too.
func (c *conn) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-c.down:
			cancel(ErrSessionLost)
		case <-stop:
		}
	}()
	return ctx, func() { close(stop); cancel(nil) }
}

// wake lets the flusher send what is queued.
func (c *conn) wake() {
	select {
	case c.flush <- struct{}{}:
	default:
	}
}

// flusher sends what was queued by those who must not wait for the socket.
func (c *conn) flusher() {
	for {
		select {
		case <-c.flush:
			c.send()
		case <-c.down:
			return
		}
	}
}

// replyLocked queues the answer to a target's ping.
func (c *conn) replyLocked(r nopReply) error {
	if len(c.replies) == maxReplies {
		return protocolErrorf("the target sent %d pings without taking the answers", maxReplies)
	}
	c.replies = append(c.replies, r)
	return nil
}

// waitAtLeastLocked makes the session wait before it logs in again, when this
// connection has ended (DefaultTime2Wait, RFC 7143, Section 13.15).
func (c *conn) waitAtLeastLocked(seconds uint16) {
	c.time2wait = max(c.time2wait, time.Duration(seconds)*time.Second)
}

// statSNLocked acknowledges a numbered response (RFC 7143, Section 4.2.2.2).
func (c *conn) statSNLocked(seq pdu.Sequence) {
	if !serialBefore(seq.StatSN, c.expStatSN) {
		c.expStatSN = seq.StatSN + 1
	}
}
