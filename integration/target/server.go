package target

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/rs/zerolog"
)

// Target is one portal with its target nodes. Its methods may be called from
// any goroutine, but not from an Action of an OnExecute rule.
type Target struct {
	cfg    Config
	params Params
	log    zerolog.Logger
	rec    recorder
	script script
	wg     sync.WaitGroup // the accepting goroutine and two per connection
	ln     net.Listener   // set by Start

	mu       sync.Mutex
	closed   bool
	nodes    []*node
	sessions map[uint16]*session // by TSIH
	conns    map[*conn]struct{}  // also those still in their login
	nextTSIH uint16
	window   uint32
}

// node is a target node at run time, under Target.mu.
type node struct {
	Node
	luns map[uint64]*LUN
}

// New makes a target that does not listen yet. It fails when a LUN's size is
// not a multiple of its block size or two have one number.
func New(cfg Config) (*Target, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	t := &Target{
		cfg:      cfg,
		params:   *cfg.Params,
		log:      cfg.Logger,
		sessions: map[uint16]*session{},
		conns:    map[*conn]struct{}{},
		window:   cfg.Window,
	}
	for _, n := range cfg.nodes() {
		if err := t.addNode(n); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Target) addNode(n Node) error {
	run := &node{Node: n, luns: map[uint64]*LUN{}}
	for i, l := range n.LUNs {
		number := uint64(i)
		if l.number != nil {
			number = *l.number
		}
		if run.luns[number] != nil {
			return fmt.Errorf("target %s has two LUNs with the number %d", n.IQN, number)
		}
		l.attach(n.IQN, number)
		run.luns[number] = l
	}
	t.nodes = append(t.nodes, run)
	return nil
}

// Start listens on a TCP address; port 0 takes a free one, see Addr.
func (t *Target) Start(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	t.ln = ln
	t.wg.Add(1)
	go t.accept()
	return nil
}

// Addr returns the host:port that is listened on, "" before Start.
func (t *Target) Addr() string {
	if t.ln == nil {
		return ""
	}
	return t.ln.Addr().String()
}

// Close ends all sessions and waits until no goroutine is left. The LUNs stay
// usable, for another Target too; a file LUN is closed with its own Close.
func (t *Target) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	var err error
	if t.ln != nil {
		err = t.ln.Close()
	}
	t.CutConnections()
	t.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept owns the listener's accepting side; it ends when Close closes it.
func (t *Target) accept() {
	defer t.wg.Done()
	for {
		nc, err := t.ln.Accept()
		if err != nil {
			return
		}
		t.serve(nc)
	}
}

// serve starts a connection's two goroutines, unless the target closes.
func (t *Target) serve(nc net.Conn) {
	c := newConn(t, nc)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		nc.Close()
		return
	}
	t.conns[c] = struct{}{}
	t.wg.Add(2)
	go c.runReader()
	go c.runWriter()
}

// CutConnections closes the TCP connections of all sessions, as when the
// network fails. The listener stays.
func (t *Target) CutConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		c.cut()
	}
}

// StopListening closes the listener, so that new connections are refused, and
// Listen opens it again at the same address. Sessions go on meanwhile.
func (t *Target) StopListening() error { return t.ln.Close() }

// Listen undoes StopListening.
func (t *Target) Listen() error { return t.Start(t.Addr()) }

// nodeNamed finds a target node; iSCSI names are compared as given, after
// their normalization by whoever configured them.
func (t *Target) nodeNamed(iqn string) *node {
	for _, n := range t.nodes {
		if n.IQN == iqn {
			return n
		}
	}
	return nil
}
