package integration

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

// contested is a target whose LUN 1 two hosts want to have for themselves.
type contested struct {
	config                           // of the first host
	medium func(off, n int64) []byte // what stands on LUN 1
	lun    *target.LUN               // LUN 1; nil at tgt
	script *scripted                 // nil at tgt
}

// slowly keeps what is dirty in memory for as long as a test takes.
const slowly = "[cache]\nflush_interval = \"10m\"\n"

// onBothTargets runs a test against tgt and against the scriptable target.
func onBothTargets(t *testing.T, test func(t *testing.T, h *host, c contested)) {
	needRoot(t)
	t.Run("tgt", func(t *testing.T) {
		h := newHost(t)
		s := h.serve(nil, disk{size: smallDisk})
		c := contested{config: s.config()}
		c.medium = func(off, n int64) []byte {
			b, err := os.ReadFile(s.backing[1])
			if err != nil {
				t.Fatal(err)
			}
			return b[off : off+n]
		}
		test(t, h, c.exclusively())
	})
	t.Run("script", func(t *testing.T) {
		h := newHost(t)
		test(t, h, h.contest())
	})
}

// contest is a contested LUN at a scriptable target.
func (h *host) contest(options ...target.Option) contested {
	h.t.Helper()
	s := h.script(target.NewMemoryLUN(smallDisk, 512, append(options, target.Number(1))...))
	c := contested{config: s.config(""), lun: s.luns[0], script: s}
	c.medium = func(off, n int64) []byte { return s.medium(h.t, 0, off, n) }
	return c.exclusively()
}

func (c contested) exclusively() contested {
	c.target, c.tables = "exclusive = true", slowly
	return c
}

// elsewhere is another host, and its configuration for the LUN.
func (c contested) elsewhere(t *testing.T) (*host, config) {
	t.Helper()
	other, portal := newOtherHost(t, c.portal)
	theirs := c.config
	theirs.portal, theirs.name = portal, initiatorName+"-2"
	return other, theirs
}

// wantFree checks that nothing is left of reservations.
func (c contested) wantFree(t *testing.T) {
	t.Helper()
	if c.lun == nil {
		return // elsewhere tells
	}
	if r := c.lun.Reservation(); r.Type != 0 || len(r.Keys) != 0 {
		t.Errorf("left at the target: %+v", r)
	}
}

// reservation is what status says of LUN 1.
func (m *mounted) reservation() (state, key string) {
	m.h.t.Helper()
	l := m.lunStatus()
	return l.Reservation, l.ReservationKey
}

func (m *mounted) lunStatus() lunJSON {
	m.h.t.Helper()
	s := m.h.status(m.point)
	if len(s.Mounts) != 1 || len(s.Mounts[0].Targets[0].LUNs) != 1 {
		m.h.t.Fatalf("status: %+v", s)
	}
	return s.Mounts[0].Targets[0].LUNs[0]
}

// scrawl writes text at the beginning of LUN 1 in a process that keeps the file
// open, so that it stays dirty.
func (m *mounted) scrawl(text string) (stop func()) {
	m.h.t.Helper()
	// A redirection of one command would close a copy of the descriptor after it.
	cmd, cancel := m.h.command("bash", "-c", `exec 1<>"$1"; printf %s "$2"; exec sleep 600`, "bash", m.lun(1), text)
	if err := cmd.Start(); err != nil {
		m.h.t.Fatal(err)
	}
	stop = func() { release(cmd); cancel() }
	m.h.t.Cleanup(stop)
	if !eventually(patience, func() bool { return m.lunStatus().DirtyBytes > 0 }) {
		m.h.t.Fatal("nothing is dirty")
	}
	return stop
}

// wantEBADE checks that a command fails, and why.
func (m *mounted) wantEBADE(name string, args ...string) {
	m.h.t.Helper()
	if r := m.h.run(name, args...); r.code == 0 || !strings.Contains(r.stderr, "Invalid exchange") {
		m.h.t.Errorf("%s: exit code %d, want EBADE (Invalid exchange)\n%s", name, r.code, r.stderr)
	}
}

// TestExclusive: two hosts, one LUN. The second is refused, takes over by name of
// the first's key, and the first keeps what it could not write until it has the LUN
// again.
func TestExclusive(t *testing.T) {
	onBothTargets(t, func(t *testing.T, h *host, c contested) {
		m := h.mount(c.config)
		state, key := m.reservation()
		if state != "held" || len(key) != len("0x0123456789abcdef") || !strings.HasPrefix(key, "0x") {
			t.Fatalf("reservation %q, key %q", state, key)
		}
		if c.lun != nil {
			if r := c.lun.Reservation(); r.Type != 5 || fmt.Sprintf("0x%016x", r.Key) != key || r.Holder != initiatorName {
				t.Fatalf("the target has %+v", r)
			}
		}
		if text := h.mustIscsifs("status", m.point); !strings.Contains(text, key) {
			t.Errorf("status does not show the key %s:\n%s", key, text)
		}
		h.sh(`printf first | dd of="$1" conv=notrunc,fsync status=none; head -c 4096 "$1" >/dev/null`, m.lun(1))

		other, theirs := c.elsewhere(t)
		other.tryMount(theirs).wantFailure(t, exitFailed, "exclusive = true, but", key, "Write Exclusive – Registrants Only", "--preempt "+key)
		other.tryMount(theirs, "--preempt", "0xdead").wantFailure(t, exitFailed, key)
		if state, _ := m.reservation(); state != "held" {
			t.Fatalf("after attempts that were refused: %s", state)
		}

		stop := m.scrawl("dirty")
		defer stop()
		second := other.mount(theirs, "--preempt", key)
		m.wantEBADE("sync", m.lun(1))
		m.wantEBADE("dd", "if=/dev/zero", "of="+m.lun(1), "bs=4096", "count=1", "conv=notrunc")
		if l := m.lunStatus(); l.Reservation != "lost" || l.ReservationKey != key || l.DirtyBytes == 0 || !slices.ContainsFunc(l.Warnings, func(w string) bool { return strings.Contains(w, "iscsifs login") }) {
			t.Errorf("status: %+v", l)
		}
		if got := c.medium(0, 5); string(got) != "first" {
			t.Fatalf("the medium holds %q: written without the reservation", got)
		}
		other.sh(`printf theirs | dd of="$1" conv=notrunc,fsync seek=1 status=none`, second.lun(1))

		_, theirKey := second.reservation()
		h.iscsifs("login", m.point, c.iqn).wantFailure(t, exitFailed, theirKey)
		stop()
		if r := h.iscsifs("umount", m.point); r.code != exitDirty {
			t.Errorf("umount with data that is kept: exit code %d\n%s", r.code, r.stderr)
		}
		second.umount()
		h.mustIscsifs("login", m.point, c.iqn)
		if got := h.sh(`dd if="$1" bs=512 skip=1 count=1 status=none | head -c 6`, m.lun(1)); got != "theirs" {
			t.Errorf("after login the first host reads %q", got)
		}
		if state, now := m.reservation(); state != "held" || now != key {
			t.Errorf("after login: %s, %s", state, now)
		}
		h.mustIscsifs("sync", m.point)
		if got := c.medium(0, 5); string(got) != "dirty" {
			t.Errorf("the medium holds %q", got)
		}
		m.umount()
		c.wantFree(t)
		other.mount(theirs).umount()
		c.wantFree(t)
	})
}

// TestExclusiveLoginPreempts: login, too, takes over what it is told to.
func TestExclusiveLoginPreempts(t *testing.T) {
	onBothTargets(t, func(t *testing.T, h *host, c contested) {
		m := h.mount(c.config)
		_, key := m.reservation()
		other, theirs := c.elsewhere(t)
		second := other.mount(theirs, "--preempt", key)
		_, theirKey := second.reservation()
		m.wantEBADE("dd", "if=/dev/zero", "of="+m.lun(1), "bs=4096", "count=1", "conv=notrunc,fsync")
		h.mustIscsifs("login", "--preempt", theirKey, m.point, "all")
		h.sh(`printf again | dd of="$1" conv=notrunc,fsync status=none`, m.lun(1))
		second.wantEBADE("dd", "if=/dev/zero", "of="+second.lun(1), "bs=4096", "count=1", "conv=notrunc,fsync")
		if got := c.medium(0, 5); string(got) != "again" {
			t.Errorf("the medium holds %q", got)
		}
		if r := other.iscsifs("umount", "--discard-dirty", second.point); r.code != exitDone {
			t.Errorf("%d %s", r.code, r.stderr)
		}
		second.gone = true
		if state, _ := m.reservation(); state != "held" {
			t.Error("the other host's umount took the reservation away")
		}
	})
}

// TestExclusiveSurvivesCut: a lost connection costs no reservation, though tgt knows
// an I_T nexus by its session only.
func TestExclusiveSurvivesCut(t *testing.T) {
	onBothTargets(t, func(t *testing.T, h *host, c contested) {
		wire := tap(t, c.portal)
		mine := c.config
		mine.portal = wire.Addr()
		m := h.mount(mine)
		for i := range 3 {
			stop := m.scrawl(fmt.Sprint("round", i))
			wire.Cut()
			h.sh(`sync "$1"`, m.lun(1))
			stop()
		}
		if got := c.medium(0, 6); string(got) != "round2" {
			t.Errorf("the medium holds %q", got)
		}
		if state, _ := m.reservation(); state != "held" {
			t.Errorf("reservation %s", state)
		}
		m.umount()
		c.wantFree(t)
		other, theirs := c.elsewhere(t)
		other.mount(theirs).umount()
	})
}

// TestExclusivePowerCut: APTPL keeps the reservation; without it nothing is written
// after the restart until login.
func TestExclusivePowerCut(t *testing.T) {
	for name, options := range map[string][]target.Option{"APTPL": nil, "without": {target.WithoutAPTPL()}} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			c := h.contest(append(options, target.WriteCache())...)
			m := h.mount(c.config)
			if said := strings.Contains(fmt.Sprint(m.lunStatus().Warnings), "APTPL"); said != (options != nil) {
				t.Errorf("status says of APTPL: %v", said)
			}
			stop := m.scrawl("powerless")
			if err := c.script.PowerCut(); err != nil {
				t.Fatal(err)
			}
			if options != nil {
				m.wantEBADE("sync", m.lun(1))
				if got := c.medium(0, 9); !bytes.Equal(got, make([]byte, 9)) {
					t.Errorf("written without the reservation: %q", got)
				}
				h.mustIscsifs("login", m.point, c.iqn)
			}
			h.sh(`sync "$1"`, m.lun(1))
			stop()
			if got := c.medium(0, 9); string(got) != "powerless" {
				t.Errorf("the medium holds %q", got)
			}
			m.umount()
			c.wantFree(t)
		})
	}
}

// TestExclusiveTakesOverFromCrash: what a daemon that was killed held is this
// host's all the same, and is given up with the next mount.
func TestExclusiveTakesOverFromCrash(t *testing.T) {
	onBothTargets(t, func(t *testing.T, h *host, c contested) {
		m := h.mount(c.config)
		_, key := m.reservation()
		if err := unix.Kill(m.daemon(t), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if !eventually(patience, func() bool { _, err := os.Stat(m.lun(1)); return err != nil }) {
			t.Fatal("the mount survives its daemon")
		}
		other, theirs := c.elsewhere(t)
		other.tryMount(theirs).wantFailure(t, exitFailed, key)
		h.mustIscsifs("mount", m.config, m.point)
		if state, now := m.reservation(); state != "held" || now != key {
			t.Errorf("%s, key %s, want %s", state, now, key)
		}
		h.sh(`printf after | dd of="$1" conv=notrunc,fsync status=none`, m.lun(1))
		m.umount()
		c.wantFree(t)
		other.mount(theirs).umount()
	})
}

// TestExclusiveSecondUse: a second mount on this host is refused before it touches
// the reservation of the first.
func TestExclusiveSecondUse(t *testing.T) {
	h := newHost(t)
	c := h.contest()
	m := h.mount(c.config)
	before := c.lun.Reservation()
	_, r := m.second()
	r.wantFailure(t, exitInUse, m.point)
	if after := c.lun.Reservation(); after.Generation != before.Generation || after.Type != 5 {
		t.Errorf("%+v, before %+v", after, before)
	}
	h.sh(`printf mine | dd of="$1" conv=notrunc,fsync status=none`, m.lun(1))
}

// TestExclusiveUnsupported: no reservation, no mount.
func TestExclusiveUnsupported(t *testing.T) {
	for name, option := range map[string]target.Option{"no reservations": target.WithoutReservations(), "no such type": target.WithoutRegistrantsOnly()} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.tryMount(h.contest(option).config).wantFailure(t, exitFailed, "exclusive = true, but", "LUN 1 of "+scriptedIQN)
		})
	}
}

// TestExclusiveReadOnly: who does not write reserves nothing.
func TestExclusiveReadOnly(t *testing.T) {
	h := newHost(t)
	c := h.contest()
	m := h.mount(c.config, "--read-only")
	if state, key := m.reservation(); state != "" || key != "" {
		t.Errorf("%s %s", state, key)
	}
	c.wantFree(t)
}

// TestExclusiveWritesLate: what could not be written within replacement_timeout is
// held back (late_writes), but not where the reservation is proven unbroken. Where
// it is broken, nothing is written.
func TestExclusiveWritesLate(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprint("broken=", broken), func(t *testing.T) {
			h := newHost(t)
			c := h.contest()
			c.tables += "[session]\nreplacement_timeout = \"1s\"\n"
			wire := tap(t, c.portal)
			mine := c.config
			mine.portal = wire.Addr()
			m := h.mount(mine)
			_, key := m.reservation()
			stop := m.scrawl("late")
			wire.Silence()
			wire.Cut()
			if r := h.run("sync", m.lun(1)); r.code == 0 {
				t.Error("sync succeeds without a target")
			}
			other, theirs := c.elsewhere(t)
			if broken {
				other.mount(theirs, "--preempt", key)
			}
			wire.Resume()
			if !broken {
				if !eventually(patience, func() bool { return string(c.medium(0, 4)) == "late" }) {
					t.Error("it is not written")
				}
				stop()
				return
			}
			if !eventually(patience, func() bool { state, _ := m.reservation(); return state == "lost" }) {
				t.Error("the loss is not noticed")
			}
			m.wantEBADE("sync", m.lun(1))
			if got := c.medium(0, 4); string(got) == "late" {
				t.Error("written without the reservation")
			}
			stop()
			if r := h.iscsifs("umount", "--discard-dirty", m.point); r.code != exitDone {
				t.Errorf("%d %s", r.code, r.stderr)
			}
			m.gone = true
		})
	}
}
