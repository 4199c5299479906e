package integration

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestMountTwiceAtOnce: of two that come at the same time one serves the mountpoint, and
// the other is told.
func TestMountTwiceAtOnce(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	m := &mounted{h: h, point: h.mountpoint(), config: h.writeConfig(s.config())}
	var results [2]result
	var both sync.WaitGroup
	for i := range results {
		both.Go(func() { results[i] = h.iscsifs("mount", m.config, m.point) })
	}
	both.Wait()
	t.Cleanup(m.umount)
	first, second := results[0], results[1]
	if first.code != exitDone {
		first, second = second, first
	}
	if first.code != exitDone {
		t.Fatalf("none: %s%s", first.stderr, second.stderr)
	}
	second.wantFailure(t, exitInUse)
	if names, err := s.Sessions(); err != nil || len(names) != 1 {
		t.Errorf("sessions %v, %v", names, err)
	}
	m.daemon(t)
}

// TestCommandsOfAnother: "Owner and root may use the control socket, nobody else".
func TestCommandsOfAnother(t *testing.T) {
	h, s, m := oneLUN(t)
	other := *h
	other.user = nobody(t)
	h.own(h.path("home"))
	for _, args := range [][]string{
		{"logout", "--force", m.point, "all"}, {"login", m.point, "all"}, {"reload", m.point}, {"rescan", m.point},
		{"sync", m.point}, {"umount", m.point}, {"status", m.point},
	} {
		r := other.iscsifs(args...)
		if r.code == exitDone || !strings.Contains(r.stderr, "only its owner") || strings.Contains(r.stdout, s.IQN) {
			t.Errorf("%q: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
	}
	if names, err := s.Sessions(); err != nil || len(names) != 1 {
		t.Errorf("sessions %v, %v", names, err)
	}
	if _, err := os.Lstat(m.lun(1)); err != nil {
		t.Error(err)
	}
}

// TestWait: a mount goes on trying required targets for as long as wait says, and no
// longer.
func TestWait(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	if err := s.StopListening(); err != nil {
		t.Fatal(err)
	}
	c := s.config("")
	c.tables = "[mount]\nwait = \"2s\"\n"
	began := time.Now()
	h.tryMount(c).wantFailure(t, exitUnreachable, scriptedIQN)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("given up after %v", took)
	}
	log := h.path("log/daemon.log")
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	c.tables = "[mount]\nwait = \"1m\"\n"
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		eventually(patience, func() bool { text, _ := os.ReadFile(log); return strings.Contains(string(text), "cannot log in yet") })
		if err := s.Listen(); err != nil {
			t.Error(err)
		}
	}()
	m := h.mount(c)
	<-ended
	h.sh(`cat "$1" >/dev/null`, m.lun(0))
}
