package integration

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestWriteBackByAge: what was written is on its way to the target within
// flush_interval, though nobody asks for it.
func TestWriteBackByAge(t *testing.T) {
	const interval, busy = time.Second, 2 * time.Second // together less than the default takes
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	m := h.mount(s.config("flush_interval = \"1s\""))
	f := open(t, m.lun(0), os.O_RDWR)
	for i := range 3 {
		before := len(s.Commands())
		if _, err := f.WriteAt([]byte("x"), int64(i)*mib); err != nil {
			t.Fatal(err)
		}
		started := func() bool { n, _ := volume(s.since(before), isWrite); return n > 0 }
		written := time.Now()
		if !eventually(interval+busy, started) {
			t.Fatalf("no write after %v, flush_interval is %v", interval+busy, interval)
		}
		t.Logf("after %v", time.Since(written).Round(time.Millisecond))
	}
}

// TestBacklog: against a target that is slow, writers are held to what it takes
// within flush_interval, though there is memory for more.
func TestBacklog(t *testing.T) {
	const size, most = 48 * mib, 24 * mib
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(size, 512))
	s.OnExecute(scriptedWrites, target.Delay(40*time.Millisecond))
	c := s.config("size = \"128MiB\"\nflush_interval = \"1s\"")
	c.tables += "\n[session]\nqueue_depth = 1"
	m := h.mount(c)
	dd, cancel := h.command("dd", "if=/dev/zero", "of="+m.lun(0), "bs=64k", "count="+itoa(size/(64*kib)), "conv=notrunc", "status=none")
	defer cancel()
	ended := make(chan error, 1)
	begun := time.Now()
	if err := dd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- dd.Wait() }()
	peak := int64(0)
	for running := true; running; {
		select {
		case err := <-ended:
			running = false
			if err != nil {
				t.Error(err)
			}
		default:
			peak = max(peak, h.dirty(m, 0))
		}
	}
	t.Logf("%d MiB dirty at most, %d MiB in %v", peak/mib, size/mib, time.Since(begun).Round(time.Millisecond))
	if peak == 0 || peak > most {
		t.Errorf("%d bytes dirty, want at most %d", peak, most)
	}
}

// dirty is how much of a LUN status calls dirty.
func (h *host) dirty(m *mounted, lun int) int64 {
	h.t.Helper()
	return h.status(m.point).Mounts[0].Targets[0].LUNs[lun].DirtyBytes
}

// TestUmountFlushes: what umount acknowledges is on the target's medium, also what
// nobody has synchronized.
func TestUmountFlushes(t *testing.T) {
	data := bytes.Repeat([]byte("flushed "), 1000)
	for name, end := range map[string]func(h *host, m *mounted){
		"held and forced": func(h *host, m *mounted) { h.mustIscsifs("umount", "--force", m.point) },
		"detached":        func(h *host, m *mounted) { h.mustIscsifs("umount", "--lazy", m.point) },
	} {
		t.Run(name, func(t *testing.T) {
			h, s, m := durable(t)
			f := open(t, m.lun(0), os.O_RDWR)
			if _, err := f.WriteAt(data, 12345); err != nil {
				t.Fatal(err)
			}
			if n, _ := volume(s.Commands(), isWrite); n > 0 {
				t.Fatal("written back already: nothing is tested")
			}
			daemon := m.daemon(t)
			end(h, m)
			f.Close()
			m.wantEnd(daemon)
			if err := s.PowerCut(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.medium(t, 0, 12345, int64(len(data))), data) {
				t.Error("what was written is not on the target's medium")
			}
		})
	}
}

// TestMaxAge: what another host wrote is seen once max_age has passed; without it,
// what was read stays.
func TestMaxAge(t *testing.T) {
	read := func(f *os.File) string {
		p := make([]byte, 3)
		if _, err := f.ReadAt(p, 0); err != nil {
			t.Fatal(err)
		}
		return string(p)
	}
	for age, limit := range map[string]time.Duration{"1s": time.Second, "never": 0} {
		t.Run(age, func(t *testing.T) {
			h := newHost(t)
			lun := target.NewMemoryLUN(smallDisk, 512)
			s := h.script(lun)
			f := open(t, h.mount(s.config("max_age = \""+age+"\"")).lun(0), os.O_RDONLY)
			read(f)
			if _, err := lun.WriteAt([]byte("new"), 0); err != nil {
				t.Fatal(err)
			}
			if limit == 0 {
				if read(f) == "new" {
					t.Error("read again, though max_age is never")
				}
				return
			}
			if !eventually(patience, func() bool { return read(f) == "new" }) {
				t.Errorf("old data %v after it was changed", patience)
			}
		})
	}
}
