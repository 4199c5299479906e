package integration

import (
	"bytes"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestAnotherLUNAfterLogin: "After a reconnect the LUN is checked before one byte is
// written: same designator" (promise 3). While another logical unit answers, reads,
// writes and fsync fail, umount keeps everything ("exit 6 ... everything stays mounted
// and usable"), and nothing is written to it. When the first is back, what waited is
// written, to it.
func TestAnotherLUNAfterLogin(t *testing.T) {
	needTools(t, "dd")
	h := newHost(t)
	ours := target.NewMemoryLUN(smallDisk, 512, uniqueNAA("0c1"))
	other := target.NewMemoryLUN(smallDisk, 512, uniqueNAA("0c2"))
	s := h.script(ours)
	m := h.mount(s.config("readahead = \"0\"\nflush_interval = \"1h\""))
	end := m.holdDirty(0)
	s.exchange(t, other)
	refused := func() bool { return h.failsWithEIO(`dd if="$1" of=/dev/null bs=4k skip=100 count=1`, m.lun(0)) }
	if !eventually(patience, refused) {
		t.Fatal("another LUN is read as if it were ours")
	}
	if !h.failsWithEIO(`dd if=/dev/zero of="$1" bs=4k seek=200 count=1 conv=notrunc,fsync`, m.lun(0)) {
		t.Error("fsync succeeds at another LUN")
	}
	end()
	if r := h.iscsifs("umount", "--timeout", "1s", m.point); r.code != exitDirty || !strings.Contains(r.stderr, "LUN 0") {
		t.Errorf("umount: exit code %d, want %d\n%s", r.code, exitDirty, r.stderr)
	}
	all := make([]byte, smallDisk)
	if _, err := other.ReadAt(all, 0); err != nil || len(bytes.Trim(all, "\x00")) > 0 {
		t.Errorf("another LUN was written (%v)", err)
	}
	s.exchange(t, ours)
	if !eventually(patience, func() bool { return h.iscsifs("sync", m.point).code == exitDone }) {
		t.Fatal("what waits is not written when the LUN is back")
	}
	if !bytes.Equal(s.medium(t, 0, 0, cellBytes), unsynchronized) {
		t.Error("the LUN lacks what was written before it was exchanged")
	}
}

// exchange puts a LUN in the place of LUN 0 while nobody can log in.
func (s *scripted) exchange(t *testing.T, lun *target.LUN) {
	t.Helper()
	err := s.StopListening()
	s.CutConnections()
	if err == nil {
		s.RemoveLUN(0)
		err = s.AddLUN(0, lun)
	}
	if err == nil {
		err = s.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// failsWithEIO tells whether a script ends with that error.
func (h *host) failsWithEIO(script string, args ...string) bool {
	h.t.Helper()
	r := h.run("bash", append([]string{"-c", script, "bash"}, args...)...)
	return r.code != 0 && strings.Contains(r.stderr, "Input/output error")
}
