package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	serveMemoryIfAsked()
	goleak.VerifyTestMain(m)
}

// TestLate: what goes over the line arrives whole, in order, a delay later; and
// a second piece does not wait for the first one's arrival.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, from := net.Pipe()
		to, out := net.Pipe()
		go late(to, from, 5*time.Millisecond)
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

// TestProxy: a connection through the proxy reaches the server, and none
// outlives the proxy.
func TestProxy(t *testing.T) {
	echo := echoServer(t)
	p, err := startProxy(echo, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	c, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3*chunkBytes/16)
	go c.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("the echo differs from what was sent (%v)", err)
	}
	p.close()
	if _, err := c.Read(got); err == nil {
		t.Error("the connection outlived the proxy")
	}
}

// echoServer sends back what one connection brings.
func echoServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	return l.Addr().String()
}
