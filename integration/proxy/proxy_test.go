package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long a test waits for what must happen.
const soon = 10 * time.Second

// TestLate: what goes over the line arrives whole, in order, a delay later; and
// a second piece does not wait for the first one's arrival.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, from := net.Pipe()
		to, out := net.Pipe()
		go line{to: to, from: from, delay: 5 * time.Millisecond}.run()
		begin := time.Now()
		go func() {
			in.Write([]byte("one"))
			time.Sleep(2 * time.Millisecond)
			in.Write([]byte("two"))
			in.Close()
		}()
		for _, want := range []struct {
			text string
			at   time.Duration
		}{{"one", 5 * time.Millisecond}, {"two", 7 * time.Millisecond}} {
			got := make([]byte, 3)
			if _, err := io.ReadFull(out, got); err != nil || string(got) != want.text || time.Since(begin) != want.at {
				t.Errorf("got %q, %v after %v, want %q after %v", got, err, time.Since(begin), want.text, want.at)
			}
		}
		if n, err := out.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the end: %d bytes, %v, want EOF", n, err)
		}
	})
}

// TestProxy: a connection through the proxy reaches the server, what the client
// sends is seen, and no connection outlives the proxy.
func TestProxy(t *testing.T) {
	var mu sync.Mutex
	var seen []byte
	p, c := dial(t, Options{Delay: time.Millisecond, Watch: func() func([]byte) {
		return func(p []byte) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, p...)
		}
	}})
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3*chunkBytes/16)
	go c.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("the echo differs from what was sent (%v)", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !bytes.Equal(seen, sent) {
		t.Errorf("%d bytes were seen, %d were sent", len(seen), len(sent))
	}
	p.Close()
	wantEnd(t, c)
}

// TestCut ends what is there, counts it, and lets what comes later pass.
func TestCut(t *testing.T) {
	p, c := dial(t, Options{})
	echo(t, c)
	if n := p.Cut(); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
	wantEnd(t, c)
	again, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	echo(t, again)
	if n := p.Cut(); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
}

// TestSilence: no byte and no end passes, and afterwards both do.
func TestSilence(t *testing.T) {
	p, c := dial(t, Options{})
	echo(t, c)
	p.Silence()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v during the silence", n, err)
	}
	p.Resume()
	c.SetReadDeadline(time.Now().Add(soon))
	if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
		t.Errorf("%q, %v after the silence", got, err)
	}
}

// TestCutInSilence: what a cut finds held never arrives.
func TestCutInSilence(t *testing.T) {
	arrived := make(chan int64, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, c)
		c.Close()
		arrived <- n
	}()
	p, err := Start(l.Addr().String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Silence()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("lost"))
	for deadline := time.Now().Add(soon); p.Cut() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no connection to cut")
		}
	}
	p.Resume()
	if n := <-arrived; n != 0 {
		t.Errorf("%d bytes arrived", n)
	}
}

// dial connects to an echo through a proxy.
func dial(t *testing.T, o Options) (*Proxy, net.Conn) {
	t.Helper()
	p, err := Start(echoServer(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, c
}

func echo(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(soon))
	got := make([]byte, 5)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Fatalf("the echo is %q, %v", got, err)
	}
}

func wantEnd(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(soon))
	if n, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection lives: %d bytes, %v", n, err)
	}
}

// echoServer sends back what each connection brings.
func echoServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(func() { l.Close(); served.Wait() })
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				io.Copy(c, c)
				c.Close()
			})
		}
	})
	return l.Addr().String()
}
