package target

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/iscsifs/iscsifs/integration/port"
)

// Portal is one address at which a Target listens. All portals of a Target
// serve the same target nodes with the same LUNs; those with one portal group
// tag are one SCSI target port (RFC 7143, Section 4.4.3).
type Portal struct {
	t    *Target
	tag  uint16
	addr string       // host:port
	kept *port.Port   // so that no other has it between StopListening and Listen; nil but for 127.0.0.1
	ln   net.Listener // under Target.mu, as Listen replaces it
}

// AddPortal listens on a further TCP address, with a portal group tag of its
// own or one that other portals have too.
func (t *Target) AddPortal(address string, tag uint16) (*Portal, error) {
	kept, address, err := keep(address)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		kept.Close()
		return nil, err
	}
	p := &Portal{t: t, tag: tag, addr: ln.Addr().String(), kept: kept}
	t.mu.Lock()
	t.portals = append(t.portals, p)
	t.mu.Unlock()
	p.use(ln)
	return p, nil
}

// keep keeps the port of an address of 127.0.0.1, and returns the address with its
// number.
func keep(address string) (*port.Port, string, error) {
	host, number, err := net.SplitHostPort(address)
	if n, e := strconv.Atoi(number); err == nil && e == nil && host == "127.0.0.1" {
		kept, err := port.Keep(n)
		if err != nil {
			return nil, "", err
		}
		return kept, kept.Addr(), nil
	}
	return nil, address, nil // net.Listen knows what is wrong with it
}

// use makes a listener the portal's.
func (p *Portal) use(ln net.Listener) {
	p.t.mu.Lock()
	p.ln = ln
	p.t.mu.Unlock()
	p.t.wg.Add(1)
	go p.accept(ln)
}

// accept owns the listener's accepting side; it ends when the listener closes.
func (p *Portal) accept(ln net.Listener) {
	defer p.t.wg.Done()
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		p.t.serve(p, nc)
	}
}

// Addr returns the host:port that is listened on.
func (p *Portal) Addr() string { return p.addr }

// Cut closes the listener and the connections of the portal, as when its
// network fails, until Listen.
func (p *Portal) Cut() error {
	err := p.StopListening()
	p.CutConnections()
	return err
}

// CutConnections closes the TCP connections of the portal. The listener stays.
func (p *Portal) CutConnections() {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	for c := range p.t.conns {
		if c.portal == p {
			c.cut()
		}
	}
}

// StopListening closes the listener, so that new connections are refused, and
// Listen opens it again at the same address. Sessions go on meanwhile.
func (p *Portal) StopListening() error {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.ln.Close()
}

// Listen undoes StopListening. For as long as a child process of ours is between fork
// and exec it has the closed listener too, and the address is in use.
func (p *Portal) Listen() error {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		ln, err := net.Listen("tcp", p.addr)
		switch {
		case err == nil:
			p.use(ln)
			return nil
		case !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) > forkTime:
			return err
		}
	}
}

// forkTime is more than a child process takes to its exec.
const forkTime = 30 * time.Second

// At matches the events of one portal's connections.
func (p *Portal) At() Match { return func(e *Event) bool { return e.portal == p } }

// closePortals closes all listeners. Requires Target.mu.
func (t *Target) closePortals() error {
	var err error
	for _, p := range t.portals {
		p.kept.Close()
		if e := p.ln.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// tags returns the portal group tags in the order of the portals, each once.
// Requires Target.mu.
func (t *Target) tags() (list []uint16) {
	seen := map[uint16]bool{}
	for _, p := range t.portals {
		if !seen[p.tag] {
			seen[p.tag] = true
			list = append(list, p.tag)
		}
	}
	return list
}

// relativePort is the relative target port identifier of a portal group: its
// place among them, from 1 (SPC-4, Section 3.1.124).
func (t *Target) relativePort(tag uint16) uint16 {
	for i, known := range t.tags() {
		if known == tag {
			return uint16(i + 1)
		}
	}
	return 0
}
