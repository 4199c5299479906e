package proxy

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	chunkBytes   = 64 << 10
	lineCapacity = 1024 // chunks each way
)

// link is one connection through the proxy: client, line each way, server.
type link struct {
	p              *Proxy
	client, server net.Conn
	gone           chan struct{} // closed by cut, which is called once
}

// cut requires p.mu and ends the link wherever it is; the caller forgets it.
func (l *link) cut() {
	close(l.gone)
	l.client.Close()
	l.server.Close()
}

// pass returns when both ends have closed and got all that was on the way to
// them, or one has failed.
func (l *link) pass() {
	var seen func([]byte)
	if l.p.options.Watch != nil {
		seen = l.p.options.Watch()
	}
	delay := l.p.options.Delay
	var ways sync.WaitGroup
	ways.Go(func() {
		l.oneWay(line{to: halfClosed{l.server}, from: l.client, delay: delay, held: l.held, seen: seen})
	})
	ways.Go(func() { l.oneWay(line{to: halfClosed{l.client}, from: l.server, delay: delay, held: l.held}) })
	ways.Wait()
}

// oneWay passes one way on: its end as such, a failure as one of the link.
func (l *link) oneWay(w line) {
	if err := w.run(); err != nil {
		l.client.Close()
		l.server.Close()
	}
}

// halfClosed is a connection whose Close ends what is written only.
type halfClosed struct{ net.Conn }

func (c halfClosed) Close() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// held returns once bytes move; false when the link has been cut.
func (l *link) held() bool {
	select {
	case <-l.p.flowing():
		return true
	default:
	}
	select {
	case <-l.p.flowing():
		return true
	case <-l.gone:
		return false
	}
}

// line is one way of a link.
type line struct {
	to    io.WriteCloser
	from  io.Reader
	delay time.Duration
	held  func() bool // nil: never
	seen  func([]byte)
}

// chunk is data on the line.
type chunk struct {
	data []byte
	due  time.Time
}

// run copies from one end to the other, each byte no earlier than delay after it
// was read, until one of them fails or ends. The end of the stream is no error.
func (l line) run() error {
	way := make(chan chunk, lineCapacity)
	written := make(chan error, 1)
	go func() {
		err := l.writeDue(way)
		l.to.Close()
		written <- err
	}()
	var failed error
	for failed == nil {
		data := make([]byte, chunkBytes)
		n, err := l.from.Read(data)
		if n > 0 {
			if l.seen != nil {
				l.seen(data[:n])
			}
			way <- chunk{data[:n], time.Now().Add(l.delay)}
		}
		failed = err
	}
	close(way)
	if err := <-written; err != nil || failed == io.EOF {
		return err
	}
	return failed
}

// writeDue writes each chunk when it is due, and drains the line. The end of the
// stream is held like a byte.
func (l line) writeDue(way <-chan chunk) (err error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for c := range way {
		if err != nil {
			continue
		}
		timer.Reset(time.Until(c.due))
		<-timer.C
		if err = l.wait(); err == nil {
			_, err = l.to.Write(c.data)
		}
	}
	if err == nil {
		err = l.wait()
	}
	return err
}

// wait returns when bytes move, or with an error when they never will.
func (l line) wait() error {
	if l.held != nil && !l.held() {
		return net.ErrClosed
	}
	return nil
}
