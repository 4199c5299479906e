package shell

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// connect returns a client of a server in this process.
func connect(t *testing.T) *Client {
	t.Helper()
	here, there := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(there) }()
	c := NewClient(here)
	t.Cleanup(func() {
		c.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c
}

func run1(t *testing.T, c *Client, cmd Command) Result {
	t.Helper()
	r, err := c.Run(context.Background(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRun(t *testing.T) {
	c := connect(t)
	r := run1(t, c, Command{Args: []string{"sh", "-c", "cat; echo bad >&2; exit 3"}, Stdin: []byte("in")})
	if r != (Result{Code: 3, Stdout: "in", Stderr: "bad\n"}) {
		t.Errorf("got %+v", r)
	}
	if r := run1(t, c, Command{Args: []string{"/nonexistent"}}); r.Code != -1 || r.Stderr == "" {
		t.Errorf("a program that is not there: %+v", r)
	}
}

// A command that hangs ends at its limit, with its children, and holds up no other.
func TestLimit(t *testing.T) {
	c := connect(t)
	hung := make(chan Result)
	go func() {
		r, _ := c.Run(context.Background(), Command{Args: []string{"sh", "-c", "sleep 1000; true"}, Limit: 300 * time.Millisecond})
		hung <- r
	}()
	if r := run1(t, c, Command{Args: []string{"true"}}); r.Code != 0 {
		t.Errorf("got %+v", r)
	}
	if r := <-hung; r.Code != -1 || !strings.Contains(r.Stderr, "killed after") {
		t.Errorf("got %+v", r)
	}
}

func TestGone(t *testing.T) {
	here, there := net.Pipe()
	c := NewClient(here)
	go func() {
		there.Read(make([]byte, 1))
		there.Close()
	}()
	for range 2 {
		if _, err := c.Run(context.Background(), Command{Args: []string{"true"}}); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
	}
}
