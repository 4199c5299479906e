package initiator

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// soon is how long a test waits for what must happen; nothing that works takes
// a good part of it.
const soon = 10 * time.Second

// lab is a session with the strict target of the integration tests. When the
// test ends the target must have found nothing to object to, and no goroutine
// may be left.
type lab struct {
	*target.Target
	t    *testing.T
	cfg  Config
	s    *Session
	disk *Disk       // LUN 0
	lun  *target.LUN // the same, behind the target's back
}

// setup changes how the target and the session of a lab are made.
type setup func(*target.Config, *Config)

// newTargetLab starts a target with a LUN of 8 MiB, without a session.
func newTargetLab(t *testing.T, changes ...setup) *lab {
	t.Helper()
	noLeak(t)
	l := &lab{t: t, lun: target.NewMemoryLUN(8<<20, 512)}
	tc := target.Config{IQN: "iqn.2026-11.org.example:disks", LUNs: []*target.LUN{l.lun}, Strict: true}
	l.cfg = Config{
		InitiatorName: "iqn.2026-11.org.example:initiator", TargetName: tc.IQN,
		ISID:         [6]byte{0x80, 1, 2, 3, 4, 5},
		LoginTimeout: 5 * time.Second, CommandTimeout: soon, ReplacementTimeout: 2 * soon,
	}
	for _, change := range changes {
		change(&tc, &l.cfg)
	}
	var err error
	if l.Target, err = target.New(tc); err != nil {
		t.Fatal(err)
	}
	if err := l.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.cfg.Portals = []string{l.Addr()}
	t.Cleanup(l.end)
	return l
}

// newLab logs in and opens LUN 0 too.
func newLab(t *testing.T, changes ...setup) *lab {
	t.Helper()
	l := newTargetLab(t, changes...)
	l.login()
	l.disk = l.open(scsi.LUN{})
	return l
}

func (l *lab) end() {
	if l.s != nil {
		l.s.Close()
	}
	l.Target.Close()
	for _, v := range l.Violations() {
		l.t.Errorf("the initiator broke a rule: %v", v)
	}
}

// watched is what noLeak has under watch: the goroutines from before the first
// of a test's labs are looked at when the last has ended.
var watched struct {
	labs   int
	before goleak.Option
}

// noLeak fails the test if goroutines are left when it and everything registered
// after this has ended.
func noLeak(t *testing.T) {
	if watched.labs == 0 {
		watched.before = goleak.IgnoreCurrent()
	}
	watched.labs++
	t.Cleanup(func() {
		if watched.labs--; watched.labs == 0 {
			goleak.VerifyNone(t, watched.before)
		}
	})
}

func (l *lab) login() {
	l.t.Helper()
	s, err := Login(context.Background(), l.cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.s = s
}

func (l *lab) open(lun scsi.LUN) *Disk {
	l.t.Helper()
	d, err := l.s.OpenDisk(timeout(l.t), lun)
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// hurry takes away the pauses before the next login, DefaultTime2Wait, which
// TestTime2Wait is about, and that of TestFlapping.
func (l *lab) hurry() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.conn != nil {
		l.s.conn.time2wait = 0
	}
	l.s.nextAttempt, l.s.flaps = time.Time{}, 0
}

// whileDown cuts the connection and lets the session log in again when f has
// returned.
func (l *lab) whileDown(f func()) {
	l.t.Helper()
	gate := target.NewGate()
	logins := l.OnReceive(target.Opcode(pdu.OpLoginReq), target.Hold(gate))
	defer gate.Release()
	defer logins.Remove()
	l.hurry()
	l.CutConnections()
	if !logins.Await(1, soon) {
		l.t.Fatal("no new login")
	}
	f()
}

// awaitState waits until the session has a state, and has been in it n times
// as often as it logged in again.
func (l *lab) awaitState(want SessionState) {
	l.t.Helper()
	await(l.t, want.String(), func() bool { return l.s.Status().State == want })
}

func (l *lab) awaitReconnect(n int) {
	l.t.Helper()
	await(l.t, "reconnect", func() bool {
		st := l.s.Status()
		return st.State == LoggedIn && st.Reconnects >= n
	})
}

// await polls for a condition that nothing signals.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	if !reached(done) {
		t.Fatalf("in vain: %s", what)
	}
}

// reached polls for a condition, for a while; it may be called from anywhere.
func reached(done func() bool) bool {
	for deadline := time.Now().Add(soon); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

// async runs f and returns where its error will be.
func async(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// result waits for the error of async.
func result(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(soon):
		t.Fatal("it does not return")
		return nil
	}
}

// pattern returns n bytes that no other seed gives.
func pattern(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	r.Read(b)
	return b
}

func (l *lab) write(p []byte, off int64) {
	l.t.Helper()
	if n, err := l.disk.WriteAt(timeout(l.t), p, off); err != nil || n != len(p) {
		l.t.Fatalf("WriteAt: %d, %v", n, err)
	}
}

func (l *lab) read(n int, off int64) []byte {
	l.t.Helper()
	p := make([]byte, n)
	if got, err := l.disk.ReadAt(timeout(l.t), p, off); err != nil || got != n {
		l.t.Fatalf("ReadAt: %d, %v", got, err)
	}
	return p
}

// holds checks what the medium holds, behind the target's back.
func (l *lab) holds(want []byte, off int64) {
	l.t.Helper()
	got := make([]byte, len(want))
	if _, err := l.lun.ReadAt(got, off); err != nil {
		l.t.Fatal(err)
	}
	same(l.t, "the medium", got, want)
}

// fill writes the medium behind the target's back.
func (l *lab) fill(p []byte, off int64) {
	l.t.Helper()
	if _, err := l.lun.WriteAt(p, off); err != nil {
		l.t.Fatal(err)
	}
}

// same compares bytes and says where they differ.
func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("%s differs from byte %d of %d on", what, i, len(want))
			return
		}
	}
	t.Errorf("%s has %d bytes, not %d", what, len(got), len(want))
}
