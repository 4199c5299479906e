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

	"github.com/iscsifs/iscsifs/initiator/scsi"
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

// TestFlappingEndsWaiting: commands of a disk that cannot be proven, because each new
// session is lost before, fail after the replacement timeout all the same.
func TestFlappingEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, period = 20 * time.Second, proofTime / 2
		s := newSession(Config{ReplacementTimeout: limit})
		d := rawDisk(s, scsi.LUN{})
		s.lost(&conn{s: s, err: io.EOF})
		waiting := newCommand(d.lun, scsi.Read10(0, 1), soon)
		waiting.disk, waiting.state = d, taskPending
		s.mu.Lock()
		s.queueLocked(waiting)
		s.mu.Unlock()
		for start := time.Now(); time.Since(start) < 2*limit; time.Sleep(period) {
			s.mu.Lock()
			s.state = LoggedIn
			d.proveLocked()
			s.mu.Unlock()
			s.lost(&conn{s: s, err: io.EOF})
			if early := time.Since(start) < limit; early && len(waiting.done) > 0 {
				t.Fatalf("after %v: %v", time.Since(start), waiting.err)
			}
			if late := time.Since(start) > limit+proofTime; late && len(waiting.done) == 0 {
				t.Fatalf("after %v it still waits", time.Since(start))
			}
		}
		<-waiting.done
		if !errors.Is(waiting.err, ErrSessionLost) || !errors.Is(waiting.err, io.EOF) {
			t.Errorf("it ended with: %v", waiting.err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		d.expiry.stop()
	})
}

// TestProofTime: a session that comes back late gives its disks the time to be proven.
func TestProofTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(Config{ReplacementTimeout: time.Second})
		d := rawDisk(s, scsi.LUN{})
		s.lost(&conn{s: s, err: io.EOF})
		for range 2 { // the second time after it was ready, or the time would be up
			time.Sleep(time.Minute)
			s.mu.Lock()
			d.proveLocked()
			s.mu.Unlock()
			time.Sleep(proofTime - time.Millisecond)
			synctest.Wait()
			if st := d.Status(); st.State != DiskUnproven {
				t.Errorf("%v within the time for the proof", st.State)
			}
			s.mu.Lock()
			d.changeLocked(DiskReady, nil)
			s.mu.Unlock()
			s.lost(&conn{s: s, err: io.EOF})
		}
	})
}
