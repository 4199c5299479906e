package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestForcedLogout: "--force fails waiting and later I/O with EIO now and keeps what is
// dirty until the target returns", when it is held or written as late_writes says.
func TestForcedLogout(t *testing.T) {
	for _, late := range []string{"hold", "write"} {
		t.Run(late, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(smallDisk, 512))
			m := h.mount(s.config("readahead = \"0\"\nflush_interval = \"1h\"\nlate_writes = \"" + late + "\""))
			w := h.writer(m.lun(0), 0)
			w.write('w')
			h.wantDirty(m, 0, writerBlock)
			if err := s.StopListening(); err != nil {
				t.Fatal(err)
			}
			s.CutConnections()
			reader, cancel := h.command("dd", "if="+m.lun(0), "of=/dev/null", "bs=4k", "skip=1000", "count=1")
			defer cancel()
			var complaint strings.Builder
			reader.Stderr = &complaint
			if err := reader.Start(); err != nil {
				t.Fatal(err)
			}
			if !eventually(patience, func() bool { return m.lunStatus().Waiting > 0 }) {
				t.Error("the read does not wait")
			}
			h.iscsifs("logout", m.point, scriptedIQN).wantFailure(t, exitInUse)
			began := time.Now()
			h.mustIscsifs("logout", "--force", m.point, scriptedIQN)
			if err := reader.Wait(); err == nil || !strings.Contains(complaint.String(), "Input/output error") {
				t.Errorf("the read that waited: %v, %s", err, complaint.String())
			}
			if took := time.Since(began); took > 25*time.Second { // a read waits for 30 s and more
				t.Errorf("it took %v, with a target that is away", took)
			}
			if complained := w.end(); !strings.Contains(complained, "Input/output error") && !strings.Contains(complained, "failed to") {
				t.Errorf("close of what was written and is not there: %q", complained)
			}
			if _, err := os.Lstat(m.lun(0)); err == nil {
				t.Error("the file stays")
			}
			h.iscsifs("login", m.point, scriptedIQN).wantFailure(t, exitUnreachable)
			h.iscsifs("umount", "--timeout", "1s", m.point).wantFailure(t, exitDirty, "4.0 KiB", "logged out by hand")
			if err := s.Listen(); err != nil {
				t.Fatal(err)
			}
			h.mustIscsifs("login", m.point, scriptedIQN)
			held := late == "hold"
			if got := s.medium(t, 0, 0, 1)[0] == 'w'; held && got {
				t.Error("written, though another host may own the LUN by now")
			}
			if held {
				h.mustIscsifs("sync", m.point)
			}
			if !eventually(patience, func() bool { return s.medium(t, 0, 0, 1)[0] == 'w' }) {
				t.Error("what was kept is not on the target")
			}
			if data, err := os.ReadFile(m.lun(0)); err != nil || data[0] != 'w' || data[writerBlock] != 0 {
				t.Errorf("the file: %v", err)
			}
		})
	}
}

// TestForcedLogoutOfSilentTarget: "now" holds for a target that is connected and says
// nothing too, long before its session would notice, whatever is to be given up there.
func TestForcedLogoutOfSilentTarget(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		t.Run(fmt.Sprintf("exclusive %v", exclusive), func(t *testing.T) { logoutOfSilent(t, exclusive) })
	}
}

func logoutOfSilent(t *testing.T, exclusive bool) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512), target.NewMemoryLUN(smallDisk, 512)) // the second has nothing dirty
	c := s.config("readahead = \"0\"\nflush_interval = \"1h\"")
	c.tables += longTimeouts
	c.target += fmt.Sprintf("exclusive = %v\n", exclusive)
	m := h.mount(c)
	w := h.writer(m.lun(0), 0)
	w.write('w')
	h.wantDirty(m, 0, writerBlock)
	mute := s.OnSend(target.Any(), target.Drop())
	reader, cancel := h.command("dd", "if="+m.lun(0), "of=/dev/null", "bs=4k", "skip=1000", "count=1")
	defer cancel()
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	if !mute.Await(1, patience) {
		t.Error("the read does not ask the target")
	}
	began := time.Now()
	h.mustIscsifs("logout", "--force", m.point, scriptedIQN)
	if err := reader.Wait(); err == nil {
		t.Error("the read that waited has succeeded")
	}
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v, with a target that is silent", took)
	}
	w.end()
	mute.Remove()
	h.mustIscsifs("login", m.point, scriptedIQN)
	h.mustIscsifs("sync", m.point)
	if s.medium(t, 0, 0, 1)[0] != 'w' {
		t.Error("what was kept is not on the target")
	}
}

// TestForcedLogoutDiscards: --discard-dirty gives up what cannot be written.
func TestForcedLogoutDiscards(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	m := h.mount(s.config("flush_interval = \"1h\""))
	w := h.writer(m.lun(0), 0)
	w.write('w')
	h.wantDirty(m, 0, writerBlock)
	if err := s.StopListening(); err != nil {
		t.Fatal(err)
	}
	s.CutConnections()
	h.mustIscsifs("logout", "--force", "--discard-dirty", m.point, scriptedIQN)
	w.end()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	h.mustIscsifs("login", m.point, scriptedIQN)
	if got := s.medium(t, 0, 0, 1)[0]; got != 0 {
		t.Errorf("the target has %q, which was given up", got)
	}
}
