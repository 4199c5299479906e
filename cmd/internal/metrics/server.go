package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// Bounds of what a client may take.
const (
	maxScrapes  = 2               // at once: each takes memory for all it tells
	maxClients  = 32              // connections; more wait in the backlog
	requestTime = 5 * time.Second // for the client to send it
	answerTime  = 30 * time.Second
	idleTime    = 5 * time.Minute
	maxHeader   = 16 << 10 // bytes
)

// Server serves GET /metrics.
type Server struct {
	listener net.Listener
}

// Listen takes the address "host:port"; without a host it is that of the loopback
// device. The error says what to do about it.
func Listen(ctx context.Context, address string) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host == "" {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, exitcode.Errorf(exitcode.InUse, "serve metrics at %s: another process listens there (`ss -ltnp` names it); set [metrics] listen to another port: each mount needs one of its own", address)
	case err != nil:
		return nil, fmt.Errorf("serve metrics at %s: %w; see [metrics] listen", address, err)
	}
	return &Server{limit(l, maxClients)}, nil
}

// Address is where the server listens: "ip:port".
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close gives the address back, of a server that is not served.
func (s *Server) Close() error { return s.listener.Close() }

// Serve answers until ctx ends; then the address is free again. now tells how the
// mount does: it is called for each scrape, by several goroutines, and must not wait for
// a target.
func (s *Server) Serve(ctx context.Context, version string, now func() Mount) error {
	server := &http.Server{
		Handler:           handler(version, now),
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(ended); _ = server.Close() })
	err := server.Serve(s.listener)
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve metrics at %s: %w", s.Address(), err)
}

// handler serves GET /metrics and nothing else.
func handler(version string, now func() Mount) http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&collector{version, now}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	return mux
}

// limited is a listener with a bounded number of connections at a time.
type limited struct {
	net.Listener
	places chan struct{} // a token for each connection
	closed chan struct{}
	once   sync.Once
}

func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, places: make(chan struct{}, n), closed: make(chan struct{})}
}

// Accept waits for a place first.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placed{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close ends an Accept that waits.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// placed is a connection that gives its place back.
type placed struct {
	net.Conn
	leave func()
}

func (p *placed) Close() error {
	p.leave()
	return p.Conn.Close()
}
