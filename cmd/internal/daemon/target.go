package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// targetState says where a target stands. Only target.change changes it:
//
//	          an attempt begins             its LUNs are files
//	waiting ────────────────────► connecting ────────────────► up
//	   ▲                              │                         │
//	   └──────────────────────────────┘                         │
//	    failed; the next is at nextAttempt                      │
//	                                                            ▼
//	 from each of them, when the mount ends ────────────────► ended
//
// What happens to the session of a target that is up (it is lost, it comes
// back) is the session's own matter; status then shows the session's state.
type targetState uint8

const (
	waiting targetState = iota
	connecting
	up
	ended
)

func (s targetState) String() string {
	switch s {
	case waiting:
		return "waiting"
	case connecting:
		return "connecting"
	case up:
		return "up"
	case ended:
		return "logged out"
	}
	return fmt.Sprintf("unknown(%d)", uint8(s))
}

// The pause between attempts to log in doubles from the one to the other.
const (
	firstPause = time.Second
	longPause  = 30 * time.Second
)

// target is one target of the configuration and the owner of its sessions. It
// has no goroutine of its own: who calls connect or keepTrying lends one.
type target struct {
	cfg   config.Target
	paths []initiator.Config // what its logins are made of, one for each path
	open  loginFunc
	slots chan struct{} // a token for each attempt under way, of all targets
	log   zerolog.Logger
	news  news
	scans chan struct{} // the right to scan for LUNs; one slot

	mu          sync.Mutex // guards what follows
	state       targetState
	since       time.Time
	reason      error // of the last failed attempt
	nextAttempt time.Time
	session     session // while up
	luns        []*lun  // while up, by number
}

// change is the one place that changes the state.
func (t *target) change(to targetState, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == ended || t.state == to {
		return
	}
	t.state, t.since, t.nextAttempt = to, time.Now(), time.Time{}
	if reason != nil {
		t.reason = reason
	}
}

// connection is what an attempt brought: a session with all wanted disks open.
// Its owner logs out.
type connection struct {
	session session
	disks   []openDisk // by number
}

// connect makes one attempt to log in and to open the wanted disks.
func (t *target) connect(ctx context.Context) (*connection, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	t.change(connecting, nil)
	c, err := t.attempt(ctx)
	if err != nil {
		t.change(waiting, err)
		return nil, err
	}
	return c, nil
}

func (t *target) attempt(ctx context.Context) (*connection, error) {
	s, err := t.open(ctx, t.paths)
	if err != nil {
		return nil, Classify(err)
	}
	disks, err := openDisks(ctx, s, &t.cfg)
	if err != nil {
		logout(ctx, s, t.log)
		return nil, Classify(err)
	}
	return &connection{s, disks}, nil
}

// connectWithin goes on trying until limit has passed: at least once, and not
// again after a refusal, which another attempt with the same password would
// only repeat.
func (t *target) connectWithin(ctx context.Context, limit time.Duration) (*connection, error) {
	deadline, said := time.Now().Add(limit), ""
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		c, err := t.connect(ctx)
		left := time.Until(deadline)
		if err == nil || initiator.Refused(err) || left <= 0 {
			return c, err
		}
		pause = min(pause, left) // the last attempt is at the end of the limit
		level := zerolog.DebugLevel
		if why := err.Error(); why != said {
			said, level = why, zerolog.WarnLevel
		}
		t.log.WithLevel(level).Err(err).Stringer("again_in", pause).Msg("cannot log in yet: it is tried again")
		if err := t.pause(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// keepTrying tries until use takes a connection or ctx ends.
func (t *target) keepTrying(ctx context.Context, use func(*connection) error) {
	t.mu.Lock()
	said := reason(t.reason) // whoever mounts without the target has told
	t.mu.Unlock()
	for pause := firstPause; t.pause(ctx, pause) == nil; pause = min(2*pause, longPause) {
		c, err := t.connect(ctx)
		if err == nil {
			err = use(c)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		t.change(waiting, err)
		level := zerolog.DebugLevel
		if why := err.Error(); why != said {
			said, level = why, zerolog.WarnLevel
		}
		t.log.WithLevel(level).Err(err).Msg("cannot log in yet: it is tried again")
	}
}

// pause waits before the next attempt.
func (t *target) pause(ctx context.Context, d time.Duration) error {
	t.mu.Lock()
	t.nextAttempt = time.Now().Add(d)
	t.mu.Unlock()
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// present records that the LUNs of a connection are files now.
func (t *target) present(c *connection, luns []*lun) {
	t.mu.Lock()
	t.session, t.luns = c.session, luns
	t.mu.Unlock()
	t.change(up, nil)
}

// end logs out. The target is not used after it.
func (t *target) end(ctx context.Context) {
	t.mu.Lock()
	s := t.session
	t.session = nil
	t.mu.Unlock()
	if s != nil {
		t.unreserveAll(ctx, s)
		logout(ctx, s, t.log)
	}
	t.change(ended, nil)
}

// logout ends a session; that the target does not answer any more keeps nobody
// from ending.
func logout(ctx context.Context, s session, log zerolog.Logger) {
	if err := s.Logout(context.WithoutCancel(ctx)); err != nil {
		log.Warn().Err(err).Msg("logged out without the target's answer")
	}
}
