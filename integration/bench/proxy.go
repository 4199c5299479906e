package main

import (
	"io"
	"net"
	"sync"
	"time"
)

// farDelay is how long data takes each way where the target is far.
const farDelay = 5 * time.Millisecond

// proxy passes TCP connections on, and everything on them late by a delay each
// way, as a long line does: it takes nothing of the rate, and what is under way
// at a time is not bounded by less than lineCapacity.
type proxy struct {
	listener net.Listener
	to       string
	delay    time.Duration
	served   sync.WaitGroup // all goroutines of the proxy
	mu       sync.Mutex
	conns    map[net.Conn]struct{} // guarded by mu; nil after close
}

const (
	chunkBytes   = 64 * kib
	lineCapacity = 1024 // chunks each way
)

// startProxy listens on a port of its own for connections to an address.
func startProxy(to string, delay time.Duration) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, to: to, delay: delay, conns: make(map[net.Conn]struct{})}
	p.served.Go(p.accept)
	return p, nil
}

// address is where the proxy listens.
func (p *proxy) address() string { return p.listener.Addr().String() }

// close cuts all connections and returns when nothing of the proxy runs.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.served.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.served.Go(func() { p.pass(client, server) })
	}
}

// keep registers the ends of a connection for close, unless that has been.
func (p *proxy) keep(ends ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range ends {
		if p.conns == nil {
			c.Close()
			continue
		}
		p.conns[c] = struct{}{}
	}
	return p.conns != nil
}

// pass serves one connection until one of its ends is closed.
func (p *proxy) pass(client, server net.Conn) {
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		ways.Go(func() {
			late(way[1], way[0], p.delay)
			client.Close()
			server.Close()
		})
	}
	ways.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}

// chunk is data on the line.
type chunk struct {
	data []byte
	due  time.Time
}

// late copies from one end to the other, each byte no earlier than delay after
// it was read, until one of them fails or ends.
func late(to io.WriteCloser, from io.Reader, delay time.Duration) {
	line := make(chan chunk, lineCapacity)
	var written sync.WaitGroup
	written.Go(func() {
		writeDue(to, line)
		to.Close()
	})
	for {
		data := make([]byte, chunkBytes)
		n, err := from.Read(data)
		if n > 0 {
			line <- chunk{data[:n], time.Now().Add(delay)}
		}
		if err != nil {
			break
		}
	}
	close(line)
	written.Wait()
}

// writeDue writes each chunk when it is due, and drains the line.
func writeDue(to io.Writer, line <-chan chunk) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var err error
	for c := range line {
		if err != nil {
			continue
		}
		timer.Reset(time.Until(c.due))
		<-timer.C
		_, err = to.Write(c.data)
	}
}
