package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Keepalive probes end connections whose peer is gone while nothing is sent,
// also when the pings of the session are turned off.
var keepalive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// dial connects to an address. Names are resolved each time, and all their
// addresses are tried within the time that ctx leaves.
func dial(ctx context.Context, cfg *Config, to address) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepalive}
	device := cfg.Interface
	if ip, err := netip.ParseAddr(cfg.Interface); err == nil {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
		device = ""
	}
	d.Control = func(_, _ string, raw syscall.RawConn) error {
		return controlSocket(raw, device, cfg.FlushTimeout)
	}
	nc, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, explainDial(err, device)
	}
	return nc, nil
}

// controlSocket sets a new socket up. TCP_NODELAY is what net sets by itself.
func controlSocket(raw syscall.RawConn, device string, silence time.Duration) error {
	var err error
	control := raw.Control(func(fd uintptr) {
		err = setSocketOptions(int(fd), device, silence)
	})
	return join(control, err)
}

// setSocketOptions bounds how long sent bytes may stay unacknowledged: longer
// than any command may take, because it also ends a connection whose peer is
// alive but takes nothing in.
func setSocketOptions(fd int, device string, silence time.Duration) error {
	if silence > 0 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds())); err != nil {
			return fmt.Errorf("setting TCP_USER_TIMEOUT: %w", err)
		}
	}
	if device == "" {
		return nil
	}
	return bindToDevice(fd, device)
}

// bindToDevice explains the errors that users meet.
func bindToDevice(fd int, device string) error {
	switch err := unix.BindToDevice(fd, device); {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("there is no network device %q here: %w", device, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("only root (CAP_NET_RAW) may use the network device %q on this system; give its local address instead: %w",
			device, err)
	default:
		return fmt.Errorf("cannot use the network device %q: %w", device, err)
	}
}

// explained is an error in words of its own over its cause.
type explained struct {
	sentence string
	cause    error
}

func (e *explained) Error() string { return e.sentence }
func (e *explained) Unwrap() error { return e.cause }

// explainDial turns the errors of net into sentences that do not repeat the
// address, which the caller's error names.
func explainDial(err error, device string) error {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return &explained{fmt.Sprintf("cannot resolve the name %q: %s", dns.Name, dns.Err), err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &explained{"connection refused: no target listens on this port", err}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &explained{"there is no route to this address", err}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &explained{"the local address to connect from does not belong to this machine", err}
	case device != "" && errors.As(err, &op):
		return op.Err
	case errors.As(err, &op):
		return &explained{op.Err.Error(), err}
	}
	return err
}
