// Package proxy passes TCP connections on to a portal, as networks do: late, in
// pieces of any size, and at times not at all. It can be told to delay, to fall
// silent and to cut what passes through.
package proxy

import (
	"net"
	"sync"
	"time"
)

// Proxy listens on a port of its own for connections to one address. Its methods
// may be called from any goroutine.
type Proxy struct {
	options  Options
	to       string
	listener net.Listener
	served   sync.WaitGroup // all goroutines of the proxy

	mu     sync.Mutex
	closed bool
	links  map[*link]struct{} // the connections that pass through
	flow   chan struct{}      // closed while bytes move
}

// Options say how a Proxy treats what passes through.
type Options struct {
	// Delay is how late each byte arrives, each way, as on a long line: it takes
	// nothing of the rate, and what is under way at a time is not bounded by less
	// than lineCapacity.
	Delay time.Duration
	// Watch, if not nil, is called for each connection; what it returns is called
	// with all that the connection's client sends, before that is passed on, and may
	// change it.
	Watch func() func(p []byte)
	// Listener, if not nil, is where the proxy listens; it becomes the proxy's.
	Listener net.Listener
}

// Start opens a proxy to an address; Close ends it.
func Start(to string, o Options) (*Proxy, error) {
	l := o.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	p := &Proxy{options: o, to: to, listener: l, links: map[*link]struct{}{}, flow: make(chan struct{})}
	close(p.flow)
	p.served.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close cuts all connections and returns when nothing of the proxy runs.
func (p *Proxy) Close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Cut()
	p.served.Wait()
}

// Cut breaks all connections, with what is under way on them, and returns how
// many there were.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
	n := len(p.links)
	clear(p.links)
	return n
}

// Silence stops every byte and every end of a connection where they are, until
// Resume. Connections are accepted meanwhile.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
		p.flow = make(chan struct{})
	default:
	}
}

// Resume ends a silence: what was sent meanwhile arrives.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
	default:
		close(p.flow)
	}
}

// flowing returns a channel that is closed when bytes move.
func (p *Proxy) flowing() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flow
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.served.Go(func() { p.serve(client) })
	}
}

// serve lives as long as one connection.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	l := &link{p: p, client: client, server: server, gone: make(chan struct{})}
	if p.keep(l) {
		l.pass()
		p.drop(l)
	}
}

// keep registers a connection for Cut; false after Close.
func (p *Proxy) keep(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.links[l] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
