package initiator

import (
	"fmt"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// watch ends the connection when the target is silent, and has commands aborted
// that make no progress. Any byte that arrives is a sign of life; a ping goes out only when
// none did for NoopInterval.
func (c *conn) watch() {
	w := watchdog{c: c, heard: time.Now()}
	tick := time.NewTicker(w.interval())
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if err := w.check(now); err != nil {
				c.fail(err)
				return
			}
		case <-c.down:
			return
		}
	}
}

// watchdog is owned by the goroutine of watch.
type watchdog struct {
	c      *conn
	rx     int64     // octets received at the last look
	heard  time.Time // when they were seen to grow
	ping   *task     // waits for its answer, or did
	pinged time.Time // zero when heard is later
	shut   time.Time // since when the target takes no command, though it has none
	shutAt uint32    // the CmdSN of the command that it does not take
}

// interval is how often to look: often enough for the shortest timeout.
func (w *watchdog) interval() time.Duration {
	cfg := w.c.s.live()
	shortest := min(cfg.CommandTimeout, cfg.FlushTimeout, cfg.NoopTimeout)
	if cfg.NoopInterval > 0 {
		shortest = min(shortest, cfg.NoopInterval)
	}
	return min(max(shortest/4, 10*time.Millisecond), time.Second)
}

func (w *watchdog) check(now time.Time) error {
	if rx := w.c.s.stats.rxOctets.Load(); rx != w.rx {
		w.rx, w.heard, w.pinged = rx, now, time.Time{}
		w.c.s.stats.heard.Store(now.UnixNano())
	}
	if err := w.checkSilence(now); err != nil {
		return err
	}
	if err := w.checkWindow(now); err != nil {
		return err
	}
	w.overdueCommands(now)
	return nil
}

// checkWindow ends a connection whose target takes no more commands: those that it
// has not taken have no other timeout. A target that still has some opens its window
// when it answers them; one that takes some now and then is merely slow.
func (w *watchdog) checkWindow(now time.Time) error {
	next, shut := w.c.shut()
	switch limit := w.c.s.live().CommandTimeout; {
	case !shut:
		w.shut = time.Time{}
	case w.shut.IsZero() || next != w.shutAt:
		w.shut, w.shutAt = now, next
	case now.Sub(w.shut) >= limit:
		w.c.s.stats.timeouts.Add(1)
		return fmt.Errorf("%w: the target has had no command for %v, and its window lets none through", ErrTimeout, limit)
	}
	return nil
}

// shut tells whether a command waits for a target that has none to open its window, and
// what its CmdSN will be.
func (c *conn) shut() (next uint32, is bool) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.ownCmds.len > 0 || s.gate && s.pending.len > 0
	is = waiting && !s.window.open() && !c.closing
	s.slots.all(func(t *task) { is = is && t.kind.immediate() })
	return s.window.cmdSN, is
}

func (w *watchdog) checkSilence(now time.Time) error {
	cfg := w.c.s.live()
	switch {
	case cfg.NoopInterval < 0:
	case !w.pinged.IsZero():
		if silent := now.Sub(w.pinged); silent >= cfg.NoopTimeout {
			w.c.s.stats.timeouts.Add(1)
			return fmt.Errorf("%w: no answer to a ping for %v", ErrTimeout, cfg.NoopTimeout)
		}
	case now.Sub(w.heard) >= cfg.NoopInterval && w.sendPing():
		w.pinged = now
	}
	return nil
}

// sendPing asks for a sign of life, unless the answer to the last ping is still
// due: a slow target may give it yet, and needs its tag to be known then. Nobody
// waits for the answer itself. It is false where a Logout Request is the last that the
// target is asked: then there is a time limit for the answer to that.
func (w *watchdog) sendPing() bool {
	s := w.c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.c.closing {
		return false
	}
	if w.ping != nil && w.ping.state != taskEnded {
		return true
	}
	w.ping = &task{kind: kindPing, ttt: pdu.ReservedTag, done: make(chan struct{}, 1)}
	// It cannot be refused but by a session that is ending. The flusher sends
	// it: a watchdog must not wait for a socket.
	if s.refusalLocked(w.ping) == nil {
		w.ping.state = taskPending
		s.queueLocked(w.ping)
		w.c.wake()
	}
	return true
}

// stuck tells whether a command made no progress for its timeout. One whose data
// are on the wire right now makes progress as long as bytes arrive.
func (w *watchdog) stuck(t *task, now time.Time) bool {
	since, limit := t.sentAt, t.timeout
	if t.pins > 0 && w.heard.After(since) {
		since = w.heard
	}
	if t.slow && now.Sub(w.heard) < t.timeout {
		replacement := w.c.s.live().patience()
		if replacement < 0 {
			return false
		}
		limit = max(limit, replacement)
	}
	return now.Sub(since) >= limit
}
