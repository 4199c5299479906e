// Package port keeps TCP ports for tests while nobody listens there: a target that is
// to come back after a while would find its own port taken by a stranger.
package port

import (
	"fmt"
	"net"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Port is a port of 127.0.0.1 that only those get who ask for it by its number. Who
// connects to it while nobody listens there is refused.
type Port struct {
	fd     int // bound, and never listening; SO_REUSEADDR leaves room for who listens
	number int
	closed sync.Once
}

// Keep keeps the port of a given number, or a free one if that is 0, until Close.
func Keep(number int) (*Port, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	p := &Port{fd: fd}
	if p.number, err = bind(fd, number); err != nil {
		p.Close()
		return nil, fmt.Errorf("keep port %d of 127.0.0.1: %w", number, err)
	}
	return p, nil
}

func bind(fd, number int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return address.(*unix.SockaddrInet4).Port, nil
}

// Number is the port's number.
func (p *Port) Number() int { return p.number }

// Addr is where to listen, as host:port.
func (p *Port) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

// Close lets others have the port. Who listens there goes on. There is nothing to do
// for nil.
func (p *Port) Close() {
	if p != nil {
		p.closed.Do(func() { _ = unix.Close(p.fd) })
	}
}
