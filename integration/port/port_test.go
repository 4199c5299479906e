package port

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestKeep: who knows a kept port can listen there, again and again; in between
// connections are refused, and nobody gets the port who asks for any.
func TestKeep(t *testing.T) {
	p, err := Keep(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 3 {
		if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("nobody listens: %v, %v", c, err)
		}
		l, err := net.Listen("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		l.Close()
	}
}

// TestKeptIsTaken: of two who keep any port each has one of his own.
func TestKeptIsTaken(t *testing.T) {
	seen := map[int]bool{}
	for range 500 {
		p, err := Keep(0)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if seen[p.Number()] {
			t.Fatalf("port %d is kept twice", p.Number())
		}
		seen[p.Number()] = true
	}
}
