package target

import (
	"fmt"
	"net"
	"sync"

	"github.com/rs/zerolog"
)

// Target is a network entity: portals with target nodes behind them. Its methods may be called from
// any goroutine, but not from an Action of an OnExecute rule.
type Target struct {
	cfg    Config
	params Params
	log    zerolog.Logger
	rec    recorder
	script script
	wg     sync.WaitGroup // the accepting goroutine and two per connection

	mu       sync.Mutex
	closed   bool
	nodes    []*node
	sessions map[uint16]*session // by TSIH
	conns    map[*conn]struct{}  // also those still in their login
	nextTSIH uint16
	window   uint32
	portals  []*Portal              // that of Start first
	access   map[uint16]AccessState // by portal group tag; a missing one is ActiveOptimized
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
		access:   map[uint16]AccessState{},
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

// Start listens on a TCP address with Config.PortalGroupTag; port 0 takes a
// free one, see Addr.
func (t *Target) Start(address string) error {
	_, err := t.AddPortal(address, t.cfg.PortalGroupTag)
	return err
}

// Addr returns the host:port that is listened on, "" before Start.
func (t *Target) Addr() string {
	if p := t.Portal(); p != nil {
		return p.Addr()
	}
	return ""
}

// Close ends all sessions and waits until no goroutine is left. The LUNs stay
// usable, for another Target too; a file LUN is closed with its own Close.
func (t *Target) Close() error {
	t.mu.Lock()
	t.closed = true
	err := t.closePortals()
	t.mu.Unlock()
	t.CutConnections()
	t.wg.Wait()
	return err
}

// serve starts a connection's two goroutines, unless the target closes.
func (t *Target) serve(p *Portal, nc net.Conn) {
	c := newConn(p, nc)
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

// StopListening is [Portal.StopListening] of the portal of Start.
func (t *Target) StopListening() error { return t.Portal().StopListening() }

// Listen undoes StopListening.
func (t *Target) Listen() error { return t.Portal().Listen() }

// Portal returns the portal of Start, nil before Start.
func (t *Target) Portal() *Portal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.portals) == 0 {
		return nil
	}
	return t.portals[0]
}

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
