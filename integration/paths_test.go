package integration

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// pathTime bounds how long an access may take when its path is lost: less than
// command_timeout, after which it would go on in any case.
const pathTime = 20 * time.Second

// steady is a verified load whose every access is one of the target, spread over
// some ten seconds.
var steady = fioJob{"--ioengine=libaio", "--iodepth=8", "--direct=1", "--rw=randwrite", "--bsrange=4k-64k",
	"--verify=crc32c", "--verify_fatal=1", "--size=8m", "--offset_increment=8m", "--numjobs=2", "--rate=800k"}

// twoLines mounts LUN 1 of a tgt by two lines, without a cache that would hide how
// long an access takes.
func twoLines(t *testing.T, session string) (*host, *served, *mounted, [2]*line) {
	t.Helper()
	needTools(t, "fio")
	h := newHost(t)
	s := h.serve(nil, disk{size: 16 * mib})
	lines := [2]*line{newLine(t, s.portal), newLine(t, s.portal)}
	c := s.config()
	c.portal, c.others = lines[0].Addr(), []string{lines[1].Addr()}
	c.tables = "[cache]\nmode = \"none\"\n[session]\n" + session
	return h, s, h.mount(c), lines
}

// disturb does something to one line after the other while fio works, which it does
// until that has happened as often as asked for, and returns the longest wait for a
// write. It lets bytes move again when the initiator has given the connection up and
// tries another, and goes on when the line carries data.
func disturb(h *host, m *mounted, lines [2]*line, enough int64, how func(*line)) (slowest time.Duration) {
	done := make(chan struct{})
	var times atomic.Int64
	var disturber sync.WaitGroup
	disturber.Go(func() {
		for ; ; times.Add(1) {
			l := lines[times.Load()%2]
			how(l)
			awaitMore(done, &l.called, 1)
			l.Resume()
			awaitMore(done, &l.passed, 64<<10)
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for begun := time.Now(); slowest == 0 || times.Load() < enough && time.Since(begun) < commandTimeout; {
		slowest = max(slowest, time.Duration(h.fio(steady, m.lun(1)).Jobs[0].Write.Latency.Max).Round(time.Millisecond))
	}
	close(done)
	disturber.Wait()
	if times.Load() < enough {
		h.t.Errorf("disturbed %d times only", times.Load())
	}
	h.t.Logf("disturbed %d times; the slowest write took %v", times.Load(), slowest)
	return slowest
}

// TestPathsAreCut: one of two ways to the target after the other is cut under
// load: no access fails, and all data is right, through the mount and on the
// target.
func TestPathsAreCut(t *testing.T) {
	needRoot(t)
	h, s, m, lines := twoLines(t, "noop_interval = \"1m\"\nnoop_timeout = \"1m\"\n")
	if slowest := disturb(h, m, lines, 3, func(l *line) { l.Cut() }); slowest > pathTime {
		t.Errorf("the slowest write took %v", slowest)
	}
	m.umount()
	h.fio(steady, s.backing[1], "--verify_only=1")
}

// TestPathsAreSilent: the same with a way that becomes silent, which only pings
// tell.
func TestPathsAreSilent(t *testing.T) {
	needRoot(t)
	h, s, m, lines := twoLines(t, "noop_interval = \"1s\"\nnoop_timeout = \"1s\"\n")
	if slowest := disturb(h, m, lines, 2, func(l *line) { l.Silence() }); slowest > pathTime {
		t.Errorf("the slowest write took %v, of which the pings take 2 s", slowest)
	}
	m.umount()
	h.fio(steady, s.backing[1], "--verify_only=1")
}

// TestMountByOnePortal: a mount succeeds when one portal answers; the other joins
// when it comes, and status tells of both.
func TestMountByOnePortal(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(8<<20, 512))
	second, err := s.AddPortal("127.0.0.1:0", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.StopListening(); err != nil {
		t.Fatal(err)
	}
	c := s.config("")
	c.others = []string{second.Addr()}
	m := h.mount(c)
	portals := h.status(m.point).Mounts[0].Targets[0].Portals
	if len(portals) != 2 || portals[0].State != "logged in" || portals[0].TPGT != 1 || portals[1].State == "logged in" ||
		portals[1].Address != second.Addr() || portals[1].TPGT != -1 || portals[1].Reason == "" {
		t.Errorf("portals while one is away: %+v", portals)
	}
	if err := second.Listen(); err != nil {
		t.Fatal(err)
	}
	if !eventually(patience, func() bool {
		p := h.status(m.point).Mounts[0].Targets[0].Portals
		return p[1].State == "logged in" && p[1].TPGT == 2 && p[1].ALUA == "active/optimized"
	}) {
		t.Errorf("portals when both are there: %+v", h.status(m.point).Mounts[0].Targets[0].Portals)
	}
	if err := s.Portal().Cut(); err != nil {
		t.Fatal(err)
	}
	h.sh(`head -c 1000000 /dev/urandom | tee "$2" | dd of="$1" bs=64k conv=notrunc status=none && cmp -n 1000000 "$1" "$2"`, m.lun(0), h.path("written"))
	h.mustIscsifs("sync", m.point)
	written, err := os.ReadFile(h.path("written"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.medium(t, 0, 0, int64(len(written))), written) {
		t.Error("what was written by the second portal is not on the target")
	}
}

// TestSessionsPerPortal: `sessions` opens as many sessions with a portal, and all
// are used.
func TestSessionsPerPortal(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(8<<20, 512))
	c := s.config("mode = \"none\"\n")
	c.tables += "[session]\nsessions = 3\n"
	m := h.mount(c)
	if n := len(s.Sessions()); n != 3 {
		t.Errorf("%d sessions", n)
	}
	before := len(s.Commands())
	h.sh(`dd if="$1" of=/dev/null bs=4k count=300 iflag=direct status=none`, m.lun(0))
	by := map[uint16]int{}
	for _, command := range s.since(before) {
		if isRead(command) {
			by[command.TSIH]++
		}
	}
	for tsih, n := range by {
		if n < 50 {
			t.Errorf("session %d had %d of 300 reads", tsih, n)
		}
	}
	if len(by) != 3 {
		t.Errorf("reads by session: %v", by)
	}
}

// TestAccessStatesOfAMount: a mount uses the portal whose access state is the best,
// follows a change, and status tells the states.
func TestAccessStatesOfAMount(t *testing.T) {
	needRoot(t)
	needDevice(t, "/dev/fuse")
	h := newHost(t)
	running, err := target.New(target.Config{IQN: scriptedIQN, LUNs: []*target.LUN{target.NewMemoryLUN(8<<20, 512)}, Strict: true, TPGS: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Target: running}
	t.Cleanup(func() { s.end(t) })
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	second, err := s.AddPortal("127.0.0.1:0", 2)
	if err != nil {
		t.Fatal(err)
	}
	s.SetAccessState(2, target.Standby)
	c := s.config("mode = \"none\"\n")
	c.others = []string{second.Addr()}
	m := h.mount(c)
	states := func(want ...string) {
		t.Helper()
		var got []string
		if !eventually(patience, func() bool {
			got = nil
			for _, p := range h.status(m.point).Mounts[0].Targets[0].Portals {
				got = append(got, fmt.Sprint(p.TPGT, " ", p.ALUA))
			}
			return strings.Join(got, ";") == strings.Join(want, ";")
		}) {
			t.Errorf("portals %q, want %q", got, want)
		}
	}
	states("1 active/optimized", "2 standby")
	for _, portal := range []string{s.Addr(), second.Addr()} {
		link := m.point + "/by-path/ip-" + portal + "-iscsi-" + scriptedIQN + "-lun-0"
		if to, err := os.Readlink(link); err != nil || to != "../lun0" {
			t.Errorf("%s leads to %q, %v", link, to, err)
		}
	}
	copyAll := func() { h.sh(`dd if="$1" of=/dev/null bs=64k iflag=direct status=none`, m.lun(0)) }
	copyAll()
	s.SetAccessState(2, target.ActiveOptimized)
	s.SetAccessState(1, target.Unavailable)
	copyAll()
	states("1 unavailable", "2 active/optimized")
	if text := h.mustIscsifs("status", m.point); !strings.Contains(text, second.Addr()+",2  logged in  active/optimized") {
		t.Errorf("status says\n%s", text)
	}
}
