package initiator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// SessionState is the state of a session.
type SessionState uint8

// A session outlives its connections. Only changeLocked changes its state:
//
//	               connection ended
//	  LoggedIn ───────────────────────► Recovering ──┐ attempt failed: wait,
//	   ▲  │  ▲                            │  │  ▲    │ then the next portal
//	   │  │  └────── logged in again ─────┘  │  └────┘
//	Login │                                  │
//	      │ Logout                           │ Logout, Close
//	      ▼                                  ▼
//	  LoggingOut ───────────────────────► Closed
//
// Closed is terminal, and Close leads there from every state. The disks of a
// session that has logged in again are proven one by one, see [DiskState].
const (
	LoggedIn SessionState = iota
	Recovering
	LoggingOut
	Closed
)

func (s SessionState) String() string {
	switch s {
	case LoggedIn:
		return "logged in"
	case Recovering:
		return "recovering"
	case LoggingOut:
		return "logging out"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("unknown(%d)", uint8(s))
}

// Session is a session with one target. It survives the loss of its
// connection: it logs in again with the same identity, for as long as it takes,
// while commands wait up to Config.ReplacementTimeout. All methods may be called
// by several goroutines.
type Session struct {
	cfg      Config
	adjusted atomic.Pointer[Config] // nil: nothing was; see live
	closed   chan struct{}          // closed by Close: everything is to end
	done     chan struct{}          // closed by run: everything has ended
	stats    counters
	wg       sync.WaitGroup // the session's goroutines but run, which waits for them
	probes   chan struct{}  // a token for each logical unit that is asked what it is
	texts    chan struct{}  // the token of the one exchange of text

	// mu guards everything below and the tasks under way. It is never held
	// during I/O.
	mu     sync.Mutex
	state  SessionState
	since  time.Time
	reason error // why the session is not LoggedIn, or was not before
	conn   *conn // the live connection or nil
	// gate is open when callers' commands may be sent; internal ones always may.
	// Each disk has a gate of its own besides, see Disk.heldLocked.
	gate bool
	// failing is set when a lost session did not come back in time: commands
	// fail with it until it does.
	failing     error
	reconnects  int
	flaps       int  // connections in a row that the target ended soon after the login
	refused     bool // the log knows that the target refuses the login
	nextAttempt time.Time
	movedTo     string // by a permanent redirect, instead of cfg.Portals
	portal      string // of the last login
	nexus       nexus  // of the last login
	params      Params

	window  window
	slots   *slotTable
	urgent  taskList // immediate requests
	ownCmds taskList // the session's own commands
	pending taskList // callers' commands that are not held, in the order of submission
	dataOut taskList // commands with Data-Out PDUs to send

	events  []Event // to be told by tell
	telling bool    // tell runs

	disks map[scsi.LUN]*Disk
	// rescues are the LUNs whose commands are being aborted, see rescue.
	rescues map[scsi.LUN]bool
	// ghosts are LUNs with writes that were unanswered when their connection
	// ended: the target may still execute them.
	ghosts map[scsi.LUN]bool
}

// Login logs in to the first of cfg.Portals that lets it. The returned session
// is to be ended with [Session.Logout] or [Session.Close].
func Login(ctx context.Context, cfg Config) (*Session, error) {
	s := newSession(cfg)
	c, err := s.connectAny(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	conn := s.attachLocked(c)
	s.mu.Unlock()
	conn.start()
	s.cfg.Logger.Info().Str("target", cfg.TargetName).Str("portal", c.portal).Msg("logged in")
	go s.run(conn)
	return s, nil
}

func newSession(cfg Config) *Session {
	return &Session{
		cfg:     cfg.withDefaults(),
		closed:  make(chan struct{}),
		done:    make(chan struct{}),
		since:   time.Now(),
		probes:  make(chan struct{}, maxProbes),
		texts:   make(chan struct{}, 1),
		slots:   newSlotTable(),
		disks:   map[scsi.LUN]*Disk{},
		rescues: map[scsi.LUN]bool{},
		ghosts:  map[scsi.LUN]bool{},
	}
}

// connectAny tries the portals in order. Of several errors it returns the
// last that is not a mere silence: a refusal tells more than a timeout.
func (s *Session) connectAny(ctx context.Context) (*connected, error) {
	var worst error
	for _, portal := range s.portals() {
		c, err := connect(ctx, s.live(), portal)
		if err == nil {
			return c, nil
		}
		var e *Error
		if worst == nil || errors.As(err, &e) && !e.Timeout() {
			worst = err
		}
	}
	return nil, worst
}

// portals returns where to log in: a permanent redirect holds until the
// program ends, but the configured addresses remain as a way back.
func (s *Session) portals() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.movedTo == "" {
		return s.cfg.Portals
	}
	return append([]string{s.movedTo}, s.cfg.Portals...)
}

// attachLocked makes a new connection, which is to be started, the session's.
func (s *Session) attachLocked(c *connected) *conn {
	s.conn = newConn(s, c)
	s.window = newWindow(c.nextCmdSN, c.window)
	s.params, s.portal, s.nexus = c.params, c.portal, nexusOf(c)
	s.stats.Login += int64(c.requests)
	s.stats.heard.Store(s.conn.began.UnixNano())
	if c.movedTo != "" {
		s.movedTo = c.movedTo
	}
	s.gate = true
	return s.conn
}

// nexus is what names a login to people.
type nexus struct {
	tsih          uint16
	asked         string // "host:port"
	local, remote string // "ip:port"
}

func nexusOf(c *connected) nexus {
	return nexus{tsih: c.tsih, asked: c.asked, local: c.conn.LocalAddr().String(), remote: c.conn.RemoteAddr().String()}
}

// changeLocked is the one place that changes the state.
func (s *Session) changeLocked(to SessionState, reason error) {
	if s.state == Closed || s.state == to {
		return
	}
	s.state, s.since = to, time.Now()
	if reason != nil {
		s.reason = reason
	}
}

// run lives as long as the session: it waits for the end of each connection
// and cares for the next.
func (s *Session) run(c *conn) {
	defer close(s.done)
	for c != nil {
		select {
		case <-c.down:
		case <-s.closed:
			c.fail(ErrClosed)
		}
		c.wait()
		s.lost(c)
		c = s.recover()
	}
	<-s.closed // a session that logs out is closed when that is done
	s.finishAll()
	s.wg.Wait()
}

// finishAll ends what is left of the session but its goroutines, which end with
// it.
func (s *Session) finishAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changeLocked(Closed, nil)
	s.endAllLocked(s.errorLocked("session", ErrClosed))
	for _, d := range s.disks {
		d.expiry.stop()
		d.retry.stop()
	}
}

// Close ends the session at once, without a logout. Commands under way fail
// with ErrClosed. It returns when no goroutine of the session is left.
func (s *Session) Close() error {
	s.mu.Lock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	<-s.done
	return nil
}

// Done is closed when the session has ended for good.
func (s *Session) Done() <-chan struct{} { return s.done }

// isClosed tells whether Close was called.
func (s *Session) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// errorLocked words an error of this session.
func (s *Session) errorLocked(op string, cause error) *Error {
	return &Error{Op: op, Target: s.cfg.TargetName, Portal: s.portal, Err: cause}
}

func (s *Session) error(op string, cause error) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errorLocked(op, cause)
}

// SessionStatus is a snapshot of a session for people to look at.
type SessionStatus struct {
	State       SessionState
	Since       time.Time // of State
	Reason      error     // why it is not LoggedIn, or why it last was not; nil if it always was
	Target      string
	Portal      string // in use, or last used
	Portals     []string
	Reconnects  int       // logins after the first
	NextAttempt time.Time // of a login; zero when none is planned
	Waiting     int       // commands that wait to be sent
	Params      Params
	Stats       Stats

	ISID        pdu.ISID
	TSIH        uint16    // that the target gave the session at the last login
	Persistent  string    // "host:port" that was asked first: Portal, unless the target has redirected the login
	Local       string    // "ip:port" of this end of the last connection
	Remote      string    // "ip:port" of the target's end
	Interface   string    // of the configuration
	LastContact time.Time // when the target was last heard of, to the second
}

// waitingLocked counts the commands that wait to be sent.
func (s *Session) waitingLocked() int {
	n := s.pending.len
	for _, d := range s.disks {
		n += d.waiting.len
	}
	return n
}

// logins counts the logins after the first.
func (s *Session) logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reconnects
}

// Status tells how the session does.
func (s *Session) Status() SessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionStatus{
		State:       s.state,
		Since:       s.since,
		Reason:      s.reason,
		Target:      s.cfg.TargetName,
		Portal:      s.portal,
		Portals:     s.cfg.Portals,
		Reconnects:  s.reconnects,
		NextAttempt: s.nextAttempt,
		Waiting:     s.waitingLocked(),
		Params:      s.params,
		Stats:       s.stats.snapshot(),
		ISID:        s.cfg.ISID,
		TSIH:        s.nexus.tsih,
		Persistent:  s.nexus.asked,
		Local:       s.nexus.local,
		Remote:      s.nexus.remote,
		Interface:   s.cfg.Interface,
		LastContact: time.Unix(0, s.stats.heard.Load()),
	}
}
