package target

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	loginTimeout  = 30 * time.Second
	lingerTimeout = 2 * time.Second // how long to wait for the initiator to close after a logout
	maxPing       = 64 << 10        // bytes of ping data that are returned
)

// conn is one TCP connection. The reader goroutine owns r, digests and
// maxRecv; the writer goroutine owns the socket's write side; the rest is under
// Target.mu.
type conn struct {
	t       *Target
	portal  *Portal
	net     net.Conn
	log     zerolog.Logger
	out     outbox
	done    chan struct{} // closed by cut
	cutOnce sync.Once
	lateOut *outgoing // the writer's, kept back by Reorder

	r       *bufio.Reader
	digests digests // in the direction of the reader
	lateIn  *PDU    // the reader's, kept back by Reorder
	maxRecv int     // longest data segment declared, bytes

	sess      *session // nil until the login has succeeded
	cid       uint16
	send      digests // for PDUs queued from now on
	statSN    uint32  // the next to be used
	expStatSN uint32  // the last acknowledgement
	loggedOut bool
	ended     bool // the last answer is queued: what still comes is ignored
	gone      bool
	maxSend   int               // the initiator's MaxRecvDataSegmentLength, bytes
	texts     map[uint32]*reply // text answers under way, by Target Transfer Tag
	textIn    []byte            // keys of text requests with the C bit
	pings     map[uint32][8]byte
}

type digests struct{ header, data bool }

func newConn(p *Portal, nc net.Conn) *conn {
	t := p.t
	c := &conn{
		t:       t,
		portal:  p,
		net:     nc,
		log:     t.log.With().Stringer("initiator", nc.RemoteAddr()).Logger(),
		r:       bufio.NewReaderSize(nc, 64<<10),
		maxRecv: defaultMaxRecv,
		maxSend: defaultMaxRecv,
		statSN:  t.cfg.InitialStatSN,
		texts:   map[uint32]*reply{},
		pings:   map[uint32][8]byte{},
		done:    make(chan struct{}),
	}
	c.out.init()
	return c
}

// cut closes the socket at once; reader and writer then end by themselves.
func (c *conn) cut() {
	// An abortive close, so that what is still in the kernel's buffers does
	// not arrive after the cut.
	if tcp, ok := c.net.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.net.Close()
	c.out.close()
	c.cutOnce.Do(func() { close(c.done) })
}

func (c *conn) isCut() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// runReader is the life of a connection: login, full feature phase, end.
func (c *conn) runReader() {
	defer c.t.wg.Done()
	err := c.serve()
	c.t.mu.Lock()
	c.finishLocked()
	c.t.mu.Unlock()
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.log.Info().Err(err).Msg("connection ended")
	}
}

func (c *conn) serve() error {
	c.net.SetReadDeadline(time.Now().Add(loginTimeout))
	if err := c.login(); err != nil {
		c.linger()
		return err
	}
	c.net.SetReadDeadline(time.Time{})
	for {
		p, err := c.read()
		if err != nil {
			return err
		}
		c.t.script.receive(c, p)
	}
}

// linger lets the last answer reach the initiator before the socket closes:
// unread input would turn the close into a reset.
func (c *conn) linger() {
	c.out.finish()
	c.net.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.Copy(io.Discard, io.LimitReader(c.r, 1<<20))
}

// endReading waits a little for the initiator to close too; what it sends until
// then is read, so that the close does not become a reset. Requires Target.mu.
func (c *conn) endReading() {
	c.ended = true
	c.net.SetReadDeadline(time.Now().Add(lingerTimeout))
}

// handle takes a PDU after the rules have let it pass, maybe much later than
// it was read. What lies in the reader's buffer behind a cut has not arrived.
func (c *conn) handle(p *PDU) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.gone || c.sess == nil || c.isCut() {
		return
	}
	c.receiveLocked(p)
}

// finishLocked takes the connection out of the target.
func (c *conn) finishLocked() {
	c.gone = true
	delete(c.t.conns, c)
	if c.sess != nil {
		c.sess.removeConn(c)
	}
	c.cut()
}
