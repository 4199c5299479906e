package daemon

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/cmd/internal/guard"
	"github.com/iscsifs/iscsifs/config"
)

// targetState says where a target stands. Only target.change changes it:
//
//	           an attempt begins             its LUNs are files
//	waiting ─────────────────────► connecting ────────────────► up
//	   │ ▲                          │   │  ▲                    │  ▲
//	   │ └──────────────────────────┘   │  │             logout │  │ in use, or
//	   │  failed; the next is           │  │                    ▼  │ data is dirty
//	   │  at nextAttempt                │  │ login             leaving
//	   │                         failed │  │                    │
//	   │ logout                         ▼  │                    │ files are gone,
//	   └──────────────────────────────► out ◄───────────────────┘ logged out
//	                                     ▲
//	                                     └── login = "manual", to begin with
//
//	from each of them, when the mount ends or its configuration has the target no
//	more: ended
//
// A target that is out stays so until somebody asks for a login. What happens to the
// session of one that is up (it is lost, it comes back) is the session's own matter;
// status then shows the session's state.
type targetState uint8

const (
	waiting targetState = iota
	connecting
	up
	leaving
	out
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
	case leaving:
		return "logging out"
	case out, ended:
		return "logged out"
	}
	return fmt.Sprintf("unknown(%d)", uint8(s))
}

// target is one target of the configuration and the owner of its sessions. It
// has no goroutine of its own: who calls connect or keepTrying lends one.
type target struct {
	current atomic.Pointer[config.Target] // the settings in effect
	opts    *Options                      // of the daemon
	open    loginFunc
	slots   chan struct{} // a token for each attempt under way, of all targets
	log     zerolog.Logger
	news    news
	scans   chan struct{} // the right to scan for LUNs; one slot
	turn    chan struct{} // the right to open and close sessions, and to change settings; one slot

	ctx  context.Context // of all that is done for the target in the background
	quit context.CancelFunc

	mu          sync.Mutex        // guards what follows
	origin      *config.Discovery // that found it; nil = the file has it
	next        *config.Target    // what a login is to take over; nil = nothing
	places      map[string]int    // of the portals: which ISIDs their sessions have
	nexus       map[[6]byte]*guard.Lock
	state       targetState
	since       time.Time
	reason      error // of the last failed attempt, or why it is out
	nextAttempt time.Time
	session     session            // while up
	luns        []*lun             // while up, by number
	kept        []*lun             // without a session, with data that is not on the target
	outPaths    map[string]bool    // portals that were logged out by hand
	byHand      bool               // it is out because somebody asked for that
	preempt     uint64             // key that reservations may be taken from; 0 = none
	stopTrying  context.CancelFunc // ends the attempts of the background; nil = there are none
}

// cfg is what the target is used with.
func (t *target) cfg() *config.Target { return t.current.Load() }

// takeOver puts the settings into effect that waited for a login.
func (t *target) takeOver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		t.current.Store(t.next)
		t.next = nil
	}
}

// newTarget is a target that is not logged in.
func (d *Daemon) newTarget(cfg config.Target, origin *config.Discovery) *target {
	cfg.ReadOnly = cfg.ReadOnly || d.opts.ReadOnly
	t := &target{
		opts:     &d.opts,
		open:     d.open,
		slots:    d.slots,
		log:      d.log.With().Str("target", cfg.IQN).Logger(),
		news:     newNews(),
		scans:    make(chan struct{}, 1),
		turn:     make(chan struct{}, 1),
		origin:   origin,
		places:   map[string]int{},
		nexus:    map[[6]byte]*guard.Lock{},
		outPaths: map[string]bool{},
		preempt:  d.opts.Preempt,
		since:    time.Now(),
	}
	t.current.Store(&cfg)
	t.ctx, t.quit = context.WithCancel(d.alive)
	t.placePortals(cfg.Portals)
	if cfg.Login == config.LoginManual {
		t.state, t.reason = out, errManual
	}
	return t
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

// now is the state.
func (t *target) now() targetState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// takeTurn waits for the right to open and close sessions.
func (t *target) takeTurn(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}: // also for who is being interrupted
		return nil
	default:
	}
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *target) giveTurn() { <-t.turn }

// present records that the LUNs of a connection are files now.
func (t *target) present(c *connection, luns []*lun) {
	t.mu.Lock()
	t.session, t.luns, t.byHand = c.session, luns, false
	t.mu.Unlock()
	t.change(up, nil)
}

// takeSession takes the session away from the target, which has no LUNs any more.
func (t *target) takeSession() session {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.session
	t.session = nil
	return s
}

// end logs out. The target is not used after it.
func (t *target) end(ctx context.Context) {
	if s := t.takeSession(); s != nil {
		t.unreserveAll(ctx, s, func(*lun) bool { return true })
		logout(ctx, s, t.log)
	}
	t.change(ended, nil)
	t.quit()
	t.unlockPaths()
}

// logout ends a session; that the target does not answer any more keeps nobody
// from ending.
func logout(ctx context.Context, s session, log zerolog.Logger) {
	logoutWithin(context.WithoutCancel(ctx), s, log)
}

// logoutWithin is logout that waits for the target until ctx ends.
func logoutWithin(ctx context.Context, s session, log zerolog.Logger) {
	if err := s.Logout(ctx); err != nil {
		log.Warn().Err(err).Msg("logged out without the target's answer")
	}
}
