package initiator

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func moved(detail byte, to string) reply {
	return reply{status: [2]byte{1, detail}, keys: "TargetAddress=" + to}
}

func TestRedirect(t *testing.T) {
	for _, tt := range []struct {
		name      string
		details   []byte // of the redirects on the way
		permanent int    // the hop that movedTo names, from 1; 0: none
	}{
		{"temporary", []byte{1}, 0},
		{"permanent", []byte{2}, 1},
		{"permanent twice", []byte{2, 2}, 2},
		{"permanent then temporary", []byte{2, 1}, 1},
		{"temporary then permanent", []byte{1, 2}, 0},
		{"most hops", []byte{1, 1, 1, 1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			final := newScript(t, noAuth, welcome)
			portals := []string{final.portal}
			for i := len(tt.details) - 1; i >= 0; i-- {
				s := newScript(t, moved(tt.details[i], portals[0]+",3"))
				portals = append([]string{s.portal}, portals...)
			}
			c, err := connect(context.Background(), testConfig(), portals[0])
			if err != nil {
				t.Fatal(err)
			}
			c.conn.Close()
			var want string
			if tt.permanent > 0 {
				want = portals[tt.permanent]
			}
			if c.portal != final.portal || c.movedTo != want {
				t.Errorf("got portal %q and movedTo %q, want %q and %q", c.portal, c.movedTo, final.portal, want)
			}
			if v := final.got()[0].value("TargetName"); v != tgtName {
				t.Errorf("TargetName %q", v)
			}
		})
	}
}

func TestRedirectRefused(t *testing.T) {
	for name, r := range map[string]reply{
		"no address":  {status: [2]byte{1, 1}},
		"nonsense":    moved(1, "../x"),
		"unspecified": moved(2, "0.0.0.0:3260"),
		"no keys":     {status: [2]byte{1, 1}, raw: "TargetAddress"},
	} {
		if _, _, err := try(t, testConfig(), r); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, _, err := try(t, testConfig(), reply{status: [2]byte{1, 9}})
	if !errors.Is(err, LoginStatus(0x0109)) {
		t.Errorf("unknown redirection: got %v", err)
	}
}

func TestRedirectLoop(t *testing.T) {
	var s *scriptedTarget
	s = newTarget(t, func(request) (reply, bool) { return moved(1, s.portal), true })
	_, err := connect(context.Background(), testConfig(), s.portal)
	if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "more than 4 times") {
		t.Errorf("got %v", err)
	}
	if n := len(s.got()); n != maxRedirects+1 {
		t.Errorf("%d logins", n)
	}
}

func TestNotISCSI(t *testing.T) {
	for name, answer := range map[string]string{
		"HTTP": "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"SSH":  "SSH-2.0-OpenSSH_9.2p1\r\n", // shorter than a header
	} {
		t.Run(name, func(t *testing.T) {
			portal := serve(t, func(nc net.Conn) {
				io.WriteString(nc, answer)
				io.Copy(io.Discard, nc)
			})
			start := time.Now()
			_, err := connect(context.Background(), testConfig(), portal)
			if !errors.Is(err, ErrNotISCSI) || !strings.Contains(err.Error(), answer[:4]) {
				t.Errorf("got %v", err)
			}
			if time.Since(start) > 4*time.Second {
				t.Error("found out by the timeout only")
			}
		})
	}
}

func TestHungUp(t *testing.T) {
	portal := serve(t, func(net.Conn) {})
	_, err := connect(context.Background(), testConfig(), portal)
	if err == nil || !strings.Contains(err.Error(), errHungUp.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestConnectRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = connect(context.Background(), testConfig(), l.Addr().String())
	want := "connect of iqn.2026-11.org.example:login at " + l.Addr().String() +
		": connection refused: no target listens on this port"
	if !errors.Is(err, syscall.ECONNREFUSED) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLoginTimeout(t *testing.T) {
	for name, replies := range map[string][]reply{"silent": nil, "silent later": {noAuth}} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, replies...)
			cfg := testConfig()
			cfg.LoginTimeout = 100 * time.Millisecond
			_, err := connect(context.Background(), cfg, s.portal)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrTimeout) || !e.Timeout() || e.Portal != s.portal {
				t.Fatalf("got %v", err)
			}
			if !strings.HasSuffix(err.Error(), s.portal+": no answer in time (100ms)") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestConnectCanceled(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("at each request", func(t *testing.T) {
		for n := 1; n <= 3; n++ {
			ctx, cancel := context.WithCancel(context.Background())
			seen := 0
			s := newTarget(t, func(request) (reply, bool) {
				if seen++; seen == n {
					cancel()
					return reply{}, false
				}
				return []reply{noAuth, {flags: 0x04}, welcome}[seen-1], true
			})
			_, err := connect(ctx, testConfig(), s.portal)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("request %d: got %v", n, err)
			}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := connect(ctx, testConfig(), "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("before: got %v", err)
	}
}

func TestConnectInterface(t *testing.T) {
	s := newScript(t, noAuth, welcome, noAuth, welcome)
	for _, local := range []string{"127.0.0.1", "lo"} {
		cfg := testConfig()
		cfg.Interface = local
		c, err := connect(context.Background(), cfg, s.portal)
		if errors.Is(err, syscall.EPERM) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.conn.Close()
	}
	for local, want := range map[string]error{"192.0.2.1": syscall.EADDRNOTAVAIL, "nodevice0": syscall.ENODEV} {
		cfg := testConfig()
		cfg.Interface = local
		if _, err := connect(context.Background(), cfg, s.portal); !errors.Is(err, want) {
			t.Errorf("%s: got %v", local, err)
		}
	}
}

func TestConnectBadNames(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.InitiatorName = "" },
		func(c *Config) { c.InitiatorName = "iqn.x\x00TargetName=iqn.y" },
		func(c *Config) { c.TargetName = strings.Repeat("n", 224) },
	} {
		cfg := testConfig()
		change(cfg)
		if _, err := connect(context.Background(), cfg, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "name") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := connect(context.Background(), testConfig(), "a b"); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("got %v", err)
	}
}
