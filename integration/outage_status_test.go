package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestStatusOfOutage: status says since when and why a session is down, when the next
// login is due, how many commands wait and how much is dirty; the log has a line when
// it is lost and one when it is back, however often a login failed in between.
func TestStatusOfOutage(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	m := h.mount(s.config(lazyCache))
	begun := time.Now()
	if err := s.StopListening(); err != nil {
		t.Fatal(err)
	}
	s.CutConnections()
	h.leaveDirty(m, 0, dirtyData) // its close(2) has it written back
	reader, cancel := h.command("dd", "if="+m.lun(0), "of=/dev/null", "bs=4k", "count=1", "skip=1000", "status=none")
	defer cancel()
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	if !eventually(patience, func() bool { return m.target().LUNs[0].Waiting >= 2 && m.target().NextAttempt != nil }) {
		t.Fatalf("no commands wait: %+v", m.target())
	}
	now := m.target()
	if now.State != "recovering" || now.Since.Before(begun.Add(-time.Second)) || now.Reason == "" || now.LUNs[0].DirtyBytes != mib {
		t.Errorf("status: %+v", now)
	}
	text := h.mustIscsifs("status", m.point)
	for _, want := range []string{"recovering since", "reason: ", "next attempt: ", "commands that wait for the target: ", "dirty: 1.0 MiB"} {
		if !strings.Contains(text, want) {
			t.Errorf("status does not say %q:\n%s", want, text)
		}
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := reader.Wait(); err != nil {
		t.Errorf("the read that waited: %v", err)
	}
	if !eventually(patience, func() bool { return m.target().LUNs[0].DirtyBytes == 0 }) {
		t.Error("what was dirty is not written")
	}
	log := h.sh(`cat "$1"`, h.path("log/daemon.log"))
	for _, line := range []string{"connection lost, logging in again", "logged in again"} {
		if n := strings.Count(log, line); n != 1 {
			t.Errorf("%d lines %q in the log, want one", n, line)
		}
	}
}
