package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsifs/iscsifs/initiator"
)

// lone is a target of its own, outside of a mount.
func lone(s *site) *target {
	opts := s.options("/mnt/luns")
	return newDaemon(opts, s.login).targets[0]
}

// Required targets are tried until wait is over, with growing pauses.
func TestConnectWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(newFakeSession(iqnA, 1))
		s.refuse(iqnA, initiator.LoginServiceUnavailable)
		began := time.Now()
		_, err := lone(s).connectWithin(t.Context(), 10*time.Second)
		if !errors.Is(err, initiator.LoginServiceUnavailable) {
			t.Error(err)
		}
		// At 0, 1, 3 and 7 s, and at the end of the time; the next would be at 15 s.
		if took := time.Since(began); took != 10*time.Second || s.tried(iqnA) != 5 {
			t.Errorf("%d attempts in %s", s.tried(iqnA), took)
		}
	})
}

// Another attempt with a refused password is useless, and may lock the account.
func TestConnectWithinRefused(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	s.refuse(iqnA, initiator.LoginAuthenticationFailure)
	if _, err := lone(s).connectWithin(t.Context(), time.Hour); !initiator.Refused(err) || s.tried(iqnA) != 1 {
		t.Errorf("%d attempts: %v", s.tried(iqnA), err)
	}
}

func TestKeepTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(newFakeSession(iqnA, 1))
		s.refuse(iqnA, initiator.ErrTimeout)
		target := lone(s)
		used := make(chan *connection, 1)
		go target.keepTrying(t.Context(), func(c *connection) error { used <- c; return nil })
		time.Sleep(10 * time.Second) // attempts at 1, 3 and 7 s
		target.mu.Lock()
		if s.tried(iqnA) != 3 || target.state != waiting || target.nextAttempt.IsZero() {
			t.Errorf("%d attempts, %s, next at %s", s.tried(iqnA), target.state, target.nextAttempt)
		}
		target.mu.Unlock()
		s.refuse(iqnA, nil)
		if c := <-used; len(c.disks) != 1 {
			t.Errorf("%d disks", len(c.disks))
		}
	})
}

// What use does not take is tried again.
func TestKeepTryingAfterUseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(newFakeSession(iqnA, 1))
		uses := 0
		lone(s).keepTrying(t.Context(), func(*connection) error {
			if uses++; uses < 3 {
				return errors.New("in use elsewhere")
			}
			return nil
		})
		if uses != 3 || s.tried(iqnA) != 3 {
			t.Errorf("%d uses, %d attempts", uses, s.tried(iqnA))
		}
	})
}

func TestKeepTryingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(newFakeSession(iqnA, 1))
		s.refuse(iqnA, initiator.ErrTimeout)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		lone(s).keepTrying(ctx, func(*connection) error { return nil })
		if s.tried(iqnA) == 0 || ctx.Err() == nil {
			t.Errorf("%d attempts", s.tried(iqnA))
		}
	})
}

// A target that has ended comes to no other state.
func TestTargetEnded(t *testing.T) {
	target := lone(newSite(newFakeSession(iqnA, 1)))
	target.end(t.Context())
	target.change(up, nil)
	if target.state != ended {
		t.Errorf("state %s", target.state)
	}
}
