package initiator

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestAdjustCredentials: a session that is lost logs in again with what holds by then.
func TestAdjustCredentials(t *testing.T) {
	l := newLab(t, func(tc *target.Config, c *Config) {
		tc.CHAP = &target.CHAP{User: "host", Secret: "the first secret"}
		c.CHAP = &CHAP{Username: "host", Secret: []byte("the first secret")}
	})
	now := l.cfg
	now.CHAP = &CHAP{Username: "host", Secret: []byte("another secret")}
	l.s.Adjust(now)
	l.hurry()
	l.CutConnections()
	await(t, "a login is refused", func() bool { return Refused(l.s.Status().Reason) })
	l.s.Adjust(l.cfg)
	await(t, "logged in again", func() bool { l.hurry(); return l.s.Status().State == LoggedIn })
}

// TestAdjustTimeouts: they hold from the next command or loss on.
func TestAdjustTimeouts(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) { c.CommandTimeout, c.ReplacementTimeout = time.Hour, time.Hour })
	now := l.cfg
	now.CommandTimeout = 200 * time.Millisecond
	l.s.Adjust(now)
	gate := target.NewGate()
	l.OnExecute(target.Once(target.SCSI(target.OpRead10)), target.Hold(gate))
	defer gate.Release()
	l.read(512, 0) // aborted, and sent again
	now.ReplacementTimeout = 0
	l.s.Adjust(now)
	if err := l.StopListening(); err != nil {
		t.Fatal(err)
	}
	l.CutConnections()
	if err := l.disk.ReadvAt(timeout(t), [][]byte{make([]byte, 512)}, 0); !errors.Is(err, ErrSessionLost) {
		t.Errorf("a read without a session: %v", err)
	}
}

// TestAdjustPaths: those that come later have it too, and so have the units.
func TestAdjustPaths(t *testing.T) {
	l := newPathsTarget(t, 2, func(_ *target.Config, c *Config) { c.ReplacementTimeout = time.Hour })
	if err := l.portals[1].StopListening(); err != nil {
		t.Fatal(err)
	}
	l.login()
	now := l.cfgs[0]
	now.ReplacementTimeout = 0
	now.CHAP = &CHAP{Username: "host", Secret: []byte("a secret that nobody asks for"), MutualUsername: "nas", MutualSecret: []byte("one that it cannot have")}
	l.m.Adjust(now)
	if err := l.portals[1].Listen(); err != nil {
		t.Fatal(err)
	}
	// With mutual CHAP nothing else is offered, and this target knows none.
	await(t, "the late path logs in with the new credentials", func() bool {
		st := l.m.PathStatus()[1]
		return st.Reason != nil && (Refused(st.Reason) || strings.Contains(st.Reason.Error(), "CHAP"))
	})
	if err := l.portals[0].StopListening(); err != nil {
		t.Fatal(err)
	}
	l.CutConnections()
	if err := l.u.ReadvAt(timeout(t), [][]byte{make([]byte, 512)}, 0); !errors.Is(err, ErrSessionLost) {
		t.Errorf("a read without a path: %v", err)
	}
}
