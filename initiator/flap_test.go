package initiator

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestFlapping: a session that its target ends again and again, soon after the
// login, is named, and does not come back at once.
func TestFlapping(t *testing.T) {
	for name, end := range map[string]error{
		"session dropped":    errSessionDropped,
		"connection dropped": errConnectionDropped,
		"closed":             readError(io.EOF),
		"closed in a PDU":    readError(io.ErrUnexpectedEOF),
		"reset":              syscall.ECONNRESET,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSession(Config{InitiatorName: "iqn.2026-11.org.example:twin", TargetName: "iqn.2026-11.org.example:disks"})
				for i := range 9 {
					c := &conn{s: s, began: time.Now(), err: end}
					time.Sleep(flapPause) // that of the other initiator
					s.state = LoggedIn
					s.lost(c)
					named := strings.Contains(s.reason.Error(), "another login with the name iqn.2026-11.org.example:twin")
					if named != (i >= 2) || !errors.Is(s.reason, end) {
						t.Errorf("the %d. time: %v", i+1, s.reason)
					}
					if pause := time.Until(s.nextAttempt); named && pause != flapPause || !named && pause > 0 {
						t.Errorf("the %d. time: the next login is in %v", i+1, pause)
					}
				}
				// One that lasts ends it.
				c := &conn{s: s, began: time.Now(), err: end}
				time.Sleep(2 * time.Minute)
				s.state = LoggedIn
				s.lost(c)
				if pause := time.Until(s.nextAttempt); pause > 0 || strings.Contains(s.reason.Error(), "another login") {
					t.Errorf("pause %v, reason %v", pause, s.reason)
				}
			})
		})
	}
}

// TestNotFlapping: faults of the network, of the protocol or of a LUN are not
// the work of another initiator.
func TestNotFlapping(t *testing.T) {
	s := newSession(Config{})
	for range 5 {
		s.lost(&conn{s: s, began: time.Now(), err: protocolErrorf("what it likes")})
		s.lost(&conn{s: s, began: time.Now(), err: ErrTimeout})
		if s.flaps != 0 {
			t.Fatalf("it counts: %v", s.reason)
		}
	}
}

// TestTwins: two hosts with one name take the session from each other; both say
// so.
func TestTwins(t *testing.T) {
	l := newTargetLab(t)
	l.login()
	twin, err := Login(context.Background(), l.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	both := []*Session{l.s, twin}
	for _, s := range both {
		await(t, "a word of it", func() bool {
			for _, each := range both {
				each.withoutWait()
			}
			st := s.Status()
			return st.Reason != nil && strings.Contains(st.Reason.Error(), "give each host its own [initiator] name")
		})
	}
	if n := len(l.Sessions()); n > 1 {
		t.Errorf("%d sessions with one ISID", n)
	}
}

// withoutWait takes away DefaultTime2Wait alone.
func (s *Session) withoutWait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.time2wait = 0
	}
}
