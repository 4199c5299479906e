package shell

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// ErrGone tells that the other side has ended, and its commands with it.
var ErrGone = errors.New("the machine is gone")

// Client is this side of a stream. Its methods may be called from any goroutine.
type Client struct {
	stream io.ReadWriteCloser

	writing sync.Mutex // held while a request is written
	mu      sync.Mutex
	last    int                 // ID of the last request
	waiting map[int]chan Result // by ID; each has room for its result; nil after the end
}

// NewClient takes over the stream; Close ends it.
func NewClient(stream io.ReadWriteCloser) *Client {
	c := &Client{stream: stream, waiting: map[int]chan Result{}}
	go c.read()
	return c
}

// Close ends the stream: commands that run are not waited for, Run returns ErrGone.
func (c *Client) Close() error { return c.stream.Close() }

// Run returns how a command ended.
func (c *Client) Run(ctx context.Context, cmd Command) (Result, error) {
	id, result := c.expect()
	if result == nil {
		return Result{}, ErrGone
	}
	if err := c.send(request{id, cmd}); err != nil {
		return Result{}, ErrGone
	}
	select {
	case r, ok := <-result:
		if !ok {
			return Result{}, ErrGone
		}
		return r, nil
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

func (c *Client) send(r request) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return json.NewEncoder(c.stream).Encode(r)
}

// expect makes room for a result; nil when none can come any more.
func (c *Client) expect() (int, chan Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		return 0, nil
	}
	c.last++
	result := make(chan Result, 1)
	c.waiting[c.last] = result
	return c.last, result
}

// read hands out the answers until the stream ends.
func (c *Client) read() {
	from := json.NewDecoder(c.stream)
	for {
		var a answer
		if from.Decode(&a) != nil {
			break
		}
		c.mu.Lock()
		if result := c.waiting[a.ID]; result != nil {
			result <- a.Result
			delete(c.waiting, a.ID)
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, result := range c.waiting {
		close(result)
	}
	c.waiting = nil
}
