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
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/guard"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

// Times of the client's side.
const (
	dialTime  = 3 * time.Second
	aliveTime = time.Second      // between a daemon's signs of life
	Silence   = 10 * time.Second // after which a daemon counts as hanging
)

// maxReply bounds one line of a daemon, in bytes: the status of very many LUNs.
const maxReply = 64 << 20

// The ways in which a daemon can be out of reach.
var (
	ErrNoDaemon = errors.New("no daemon serves it any more")
	ErrSilent   = errors.New("its daemon does not answer")
	ErrNotYours = errors.New("may command its daemon")
)

// Client is a connection to a daemon.
type Client struct {
	Daemon Peer // the daemon's process

	conn    *net.UnixConn
	process *os.File // pidfd of the daemon; nil where it cannot be had
	point   string
	silence time.Duration
}

// Dial connects to the daemon that serves a resolved mountpoint for the user uid
// (mounts.Mount has both). The error is ErrNoDaemon if there is none, ErrNotYours if
// this user may not know, ErrSilent if it is there and does not take the connection.
func Dial(ctx context.Context, point string, uid int) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	paths := candidates(point, uid)
	if by, ok := guard.ServedBy(ctx, point); ok && by.UID == uid && by.Socket != "" {
		paths = append([]string{by.Socket}, paths...)
	}
	faults := []error{fmt.Errorf("%s: %w; `iscsifs umount %s` clears the mount, as does mounting again", point, ErrNoDaemon, plain.Quoted(point))}
	for _, path := range paths {
		c, err := dial(ctx, path, point, uid)
		if err == nil {
			return c, nil
		}
		if errors.Is(err, fs.ErrPermission) && os.Geteuid() != uid {
			return nil, fmt.Errorf("%s: only its owner (uid %d) and root %w", point, uid, ErrNotYours)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ECONNREFUSED) {
			faults = append(faults, err)
		}
	}
	return nil, errors.Join(faults...)
}

func dial(ctx context.Context, path, point string, uid int) (*Client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, context.DeadlineExceeded) { // the backlog is full
		return nil, fmt.Errorf("%s: %w: control socket %s", point, ErrSilent, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot reach its daemon: %w", point, err)
	}
	c := &Client{conn: conn.(*net.UnixConn), point: point, silence: Silence}
	c.Daemon, err = peerOf(c.conn)
	if err == nil && c.Daemon.UID != uid && c.Daemon.UID != 0 {
		err = fmt.Errorf("%s: cannot reach its daemon: uid %d, whose mount it is not, listens on %s", point, c.Daemon.UID, path)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.process = pidfd(c.Daemon.PID)
	return c, nil
}

// Call sends the one request of this connection and returns the result. onProgress,
// which may be nil, gets what the daemon sends meanwhile. A failure at the daemon
// is its message with its exit code.
func (c *Client) Call(ctx context.Context, r Request, onProgress func(json.RawMessage)) (json.RawMessage, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	result, err := c.call(ctx, r, onProgress)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s of %s: %w", r.Command, c.point, context.Cause(ctx))
	}
	return result, err
}

func (c *Client) call(ctx context.Context, r Request, onProgress func(json.RawMessage)) (json.RawMessage, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if err := c.patience(ctx); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(append(line, '\n')); err != nil {
		return nil, c.lost(err)
	}
	replies := bufio.NewScanner(c.conn)
	replies.Buffer(nil, maxReply)
	for {
		if err := c.patience(ctx); err != nil {
			return nil, err
		}
		if !replies.Scan() {
			return nil, c.lost(replies.Err())
		}
		var got reply
		if err := json.Unmarshal(replies.Bytes(), &got); err != nil {
			return nil, c.lost(err)
		}
		switch {
		case got.Error != "":
			return nil, exitcode.With(exitcode.Code(got.Code), errors.New(got.Error))
		case got.Result != nil:
			return got.Result, nil
		case got.Progress != nil && onProgress != nil:
			onProgress(got.Progress)
		}
	}
}

// patience gives the daemon until the end of its silence, and no longer than ctx.
func (c *Client) patience(ctx context.Context) error {
	if err := c.conn.SetDeadline(time.Now().Add(c.silence)); err != nil {
		return c.lost(err)
	}
	return ctx.Err() // else ctx could have ended just before, its deadline overwritten
}

// lost says how the connection ended before the result.
func (c *Client) lost(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s: %w (process %d): not for %s", c.point, ErrSilent, c.Daemon.PID, c.silence)
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return fmt.Errorf("%s: the daemon (process %d) ended before it had answered: its log says why", c.point, c.Daemon.PID)
	default:
		return fmt.Errorf("%s: the daemon's answer cannot be read: %w", c.point, err)
	}
}

// Close closes the connection.
func (c *Client) Close() error {
	if c.process != nil {
		_ = c.process.Close()
	}
	return c.conn.Close()
}

// Call is Dial, one request with its options, and the result decoded into result,
// which may be nil.
func Call(ctx context.Context, point string, uid int, command Command, options, result any, onProgress func(json.RawMessage)) error {
	r, err := NewRequest(command, options)
	if err != nil {
		return err
	}
	c, err := Dial(ctx, point, uid)
	if err != nil {
		return err
	}
	defer c.Close()
	raw, err := c.Call(ctx, r, onProgress)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return c.lost(err)
	}
	return nil
}
