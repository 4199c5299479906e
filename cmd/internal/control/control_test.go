package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/guard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a daemon's side for a mountpoint, found through its lock.
func serve(t *testing.T, handle Handler) (point string) {
	t.Helper()
	dir := t.TempDir()
	point, path := filepath.Join(dir, "mnt"), filepath.Join(dir, "s")
	lock, err := guard.Mountpoint(t.Context(), point, guard.Use{Mountpoint: point, Socket: path})
	if err != nil {
		t.Fatal(err)
	}
	server, err := Listen(path, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	server.silence, server.patience = 10*time.Millisecond, 200*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, handle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket stays: %v", err)
		}
		_ = lock.Release()
	})
	return point
}

func call(t *testing.T, point string, options, result any, onProgress func(json.RawMessage)) error {
	t.Helper()
	return Call(t.Context(), point, os.Geteuid(), Sync, options, result, onProgress)
}

func TestCall(t *testing.T) {
	point := serve(t, func(_ context.Context, r Request, from Peer, progress func(any)) (any, error) {
		var o SyncOptions
		if err := r.Decode(&o); err != nil || r.Command != Sync || from.PID != os.Getpid() || from.UID != os.Geteuid() {
			t.Errorf("request %+v of %+v: %v", r, from, err)
		}
		progress(Flush{Dirty: 2})
		progress(Flush{Dirty: 1})
		return Changes{Done: []string{o.IQN}}, nil
	})
	var progress []string
	var result Changes
	err := call(t, point, SyncOptions{IQN: "iqn.x"}, &result, func(m json.RawMessage) { progress = append(progress, string(m)) })
	if err != nil || len(result.Done) != 1 || result.Done[0] != "iqn.x" {
		t.Errorf("result %+v, %v", result, err)
	}
	if got := strings.Join(progress, " "); got != `{"dirty":2} {"dirty":1}` {
		t.Errorf("progress %s", got)
	}
}

func TestNoResult(t *testing.T) {
	point := serve(t, func(context.Context, Request, Peer, func(any)) (any, error) { return nil, nil })
	if err := call(t, point, nil, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestErrorKeepsItsCode(t *testing.T) {
	point := serve(t, func(context.Context, Request, Peer, func(any)) (any, error) {
		return nil, exitcode.Errorf(exitcode.Dirty, "3 MiB of lun0 could not be written")
	})
	err := call(t, point, nil, nil, nil)
	if exitcode.Of(err) != int(exitcode.Dirty) || err.Error() != "3 MiB of lun0 could not be written" {
		t.Errorf("%v, code %d", err, exitcode.Of(err))
	}
}

// TestLongWork: a daemon that works for longer than its silence may last is alive.
func TestLongWork(t *testing.T) {
	const silence = 2 * time.Second // a sign of life comes every 10 ms
	point := serve(t, func(context.Context, Request, Peer, func(any)) (any, error) {
		<-time.After(silence + silence/2)
		return nil, nil
	})
	c, err := Dial(t.Context(), point, os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.silence = silence
	if _, err := c.Call(t.Context(), Request{Command: Sync}, nil); err != nil {
		t.Error(err)
	}
}

// TestSilence: one that takes the connection and says nothing does not hang us.
func TestSilence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	silent, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, err := dial(t.Context(), path, "/mnt", os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.silence = 50 * time.Millisecond
	if _, err := c.Call(t.Context(), Request{Command: Status}, nil); !errors.Is(err, ErrSilent) {
		t.Error(err)
	}
}

func TestNoDaemon(t *testing.T) {
	_, err := Dial(t.Context(), "/mnt/no where", os.Geteuid())
	if !errors.Is(err, ErrNoDaemon) || !strings.HasSuffix(err.Error(), "; `iscsifs umount '/mnt/no where'` clears the mount, as does mounting again") {
		t.Error(err)
	}
}

// TestClientGone: the context of a request ends with its client.
func TestClientGone(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	point := serve(t, func(ctx context.Context, _ Request, _ Peer, _ func(any)) (any, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if err := Call(ctx, point, os.Geteuid(), Sync, nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ended
}

// TestForeignServer: who is neither root nor the mount's user is not believed.
func TestForeignServer(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root is always believed")
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := dial(t.Context(), path, "/mnt", os.Geteuid()+1); err == nil {
		t.Error("believed")
	}
}

// TestForeignClient: a request of another user is not handled.
func TestForeignClient(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to be another user")
	}
	point := serve(t, func(context.Context, Request, Peer, func(any)) (any, error) {
		t.Error("handled")
		return nil, nil
	})
	// The directory alone would keep another user out; the check must hold without it.
	use, _ := guard.ServedBy(t.Context(), point)
	for dir := filepath.Dir(use.Socket); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755)
	}
	if err := os.Chmod(use.Socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := asNobody(t, use.Socket); got != "" {
		t.Errorf("answered %q", got)
	}
}

// TestHostileRequests: neither their size nor their form disturbs the daemon.
func TestHostileRequests(t *testing.T) {
	point := serve(t, func(context.Context, Request, Peer, func(any)) (any, error) { return "fine", nil })
	use, _ := guard.ServedBy(t.Context(), point)
	for _, text := range []string{"\n", "nonsense\n", strings.Repeat("x", 2*maxRequest)} {
		conn, err := net.Dial("unix", use.Socket)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(text))
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%.10q: answered %d bytes, %v", text, n, err)
		}
		_ = conn.Close()
	}
	var result string
	if err := call(t, point, nil, &result, nil); err != nil || result != "fine" {
		t.Errorf("afterwards: %q, %v", result, err)
	}
}

// TestSlowClients: more of them than are served at once, silent or a byte at a time, keep
// nobody else away for long.
func TestSlowClients(t *testing.T) {
	point := serve(t, func(context.Context, Request, Peer, func(any)) (any, error) { return "fine", nil })
	use, _ := guard.ServedBy(t.Context(), point)
	var conns []net.Conn
	for n := range maxClients + 30 {
		conn, err := net.Dial("unix", use.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if n%2 == 0 {
			_, _ = conn.Write([]byte("{"))
		}
		conns = append(conns, conn)
	}
	var result string
	if err := call(t, point, nil, &result, nil); err != nil || result != "fine" {
		t.Errorf("beside them: %q, %v", result, err)
	}
	for _, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v: want the end of the connection", n, err)
		}
	}
}

// FuzzRequest: whatever comes, a request is read or refused.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{`{"command":"status"}`, `{"command":"umount","options":{"timeout":1,"lazy":true}}`, `[]`, `{"command":7}`, "\xff", strings.Repeat("[", 10000)} {
		f.Add([]byte(seed + "\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		here, there := net.Pipe()
		defer here.Close()
		go func() {
			_, _ = there.Write(text)
			_ = there.Close()
		}()
		r, err := readRequest(here, time.Minute)
		if err != nil {
			return
		}
		for _, options := range []any{&SyncOptions{}, &UmountOptions{}, &SessionOptions{}, &RescanOptions{}} {
			_ = r.Decode(options)
		}
	})
}

func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := private(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("made %v, %v", info.Mode(), err)
	}
	if err := private(dir); err != nil {
		t.Errorf("found again: %v", err)
	}
	link := dir + "link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := private(link); err == nil {
		t.Error("a link is taken")
	}
	if err := os.Chmod(dir, 0o710); err != nil {
		t.Fatal(err)
	}
	if err := private(dir); err == nil {
		t.Error("a directory open to its group is taken")
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		if err := private(dir); err == nil || !strings.Contains(err.Error(), "65534") {
			t.Errorf("another user's directory: %v", err)
		}
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(path, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}
