package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// Limits of the daemon's side.
const (
	maxRequest  = 64 << 10         // bytes
	requestTime = 5 * time.Second  // for the client to send it
	writeTime   = 10 * time.Second // for the client to take a line
	maxClients  = 64               // at once; more wait in the socket's backlog
	acceptPause = time.Second      // while the process is out of descriptors
)

// Handler carries out a request. progress sends a value to the client at once; it
// may be called from any goroutine until the handler returns. ctx ends when the
// client has gone or Serve is to end: work that must go on takes
// context.WithoutCancel. The error's exit code goes with it.
type Handler func(ctx context.Context, r Request, from Peer, progress func(any)) (result any, err error)

// Server is the daemon's side of its control socket.
type Server struct {
	listener *net.UnixListener
	log      zerolog.Logger
	silence  time.Duration // between signs of life
	patience time.Duration // with a client that sends its request
}

// Listen opens the control socket at a path of Path. A file left there by a dead
// daemon is replaced, so the caller holds the mountpoint's lock; what those of other
// mountpoints have left goes too.
func Listen(path string, log zerolog.Logger) (*Server, error) {
	dir, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("cannot lock the directory of the control socket: %w", err)
	}
	defer dir.Close()
	removeStale(filepath.Dir(path))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace the control socket of a dead daemon: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot protect the control socket: %w", err), listener.Close())
	}
	return &Server{listener: listener, log: log, silence: aliveTime, patience: requestTime}, nil
}

// Serve answers requests until ctx ends; then it takes no more, lets those that are
// being carried out answer, and returns with the socket removed.
func (s *Server) Serve(ctx context.Context, handle Handler) error {
	stop := context.AfterFunc(ctx, func() { _ = s.listener.Close() })
	defer stop()
	defer s.listener.Close()
	var clients sync.WaitGroup
	defer clients.Wait()
	places := make(chan struct{}, maxClients)
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ECONNABORTED) {
			s.log.Warn().Err(err).Msg("control: a client waits")
			time.Sleep(acceptPause)
			continue
		}
		if err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		places <- struct{}{}
		clients.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			s.serve(ctx, conn, handle)
		})
	}
}

// Close removes the socket of a server that was never served.
func (s *Server) Close() error { return s.listener.Close() }

// serve answers one client.
func (s *Server) serve(ctx context.Context, conn *net.UnixConn, handle Handler) {
	from, err := peerOf(conn)
	if err != nil || from.UID != 0 && from.UID != os.Geteuid() {
		s.log.Warn().Err(err).Int("uid", from.UID).Int("pid", from.PID).Msg("control: a request of another user was refused")
		return
	}
	r, err := readRequest(conn, s.patience)
	if err != nil {
		s.log.Debug().Err(err).Int("pid", from.PID).Msg("control: no request came")
		return
	}
	w := &writer{conn: conn}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watchers sync.WaitGroup
	watchers.Go(func() { untilGone(conn, cancel) })
	watchers.Go(func() { w.keepAlive(ctx, s.silence) })
	result, err := handle(ctx, r, from, w.progress)
	w.finish(result, err)
	cancel()
	_ = conn.CloseRead() // ends untilGone
	watchers.Wait()
}

// readRequest reads the one line that a client sends.
func readRequest(conn net.Conn, patience time.Duration) (Request, error) {
	var r Request
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return r, err
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequest)).ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("reading a request of at most %d bytes: %w", maxRequest, err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("reading a request: %w", err)
	}
	return r, conn.SetReadDeadline(time.Time{})
}

// untilGone cancels when the client has closed its end: it sends nothing more.
func untilGone(conn net.Conn, cancel context.CancelFunc) {
	_, _ = io.Copy(io.Discard, conn)
	cancel()
}

// writer sends replies, whole lines, from any goroutine.
type writer struct {
	conn net.Conn

	mu struct {
		sync.Mutex
		finished bool // nothing may follow the last line
	}
}

func (w *writer) progress(value any) {
	if raw, err := json.Marshal(value); err == nil {
		w.send(reply{Progress: raw}, false)
	}
}

// keepAlive sends signs of life until ctx ends.
func (w *writer) keepAlive(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.send(reply{}, false)
		case <-ctx.Done():
			return
		}
	}
}

func (w *writer) finish(result any, err error) {
	raw, marshalErr := json.Marshal(result)
	if err == nil {
		err = marshalErr
	}
	if err != nil {
		w.send(reply{Error: err.Error(), Code: exitcode.Of(err)}, true)
		return
	}
	w.send(reply{Result: raw}, true)
}

// send writes a line; a client that does not take it loses the connection.
func (w *writer) send(r reply, last bool) {
	line, err := json.Marshal(r)
	if err != nil {
		panic(err) // made of what was marshalled before
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.finished {
		return
	}
	w.mu.finished = last
	_ = w.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := w.conn.Write(append(line, '\n')); err != nil {
		w.mu.finished = true
		_ = w.conn.Close()
	}
}
