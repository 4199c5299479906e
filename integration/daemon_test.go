package integration

import (
	"fmt"
	"os"
	"testing"
)

// TestDaemonKeepsNoDescriptors: users and commands come and go, and the
// daemon's open files are as many as before.
func TestDaemonKeepsNoDescriptors(t *testing.T) {
	h, _, m := oneLUN(t)
	daemon := m.daemon(t)
	use := func() {
		h.sh(`cat "$1" | head -c 1000000 >/dev/null || true; dd if=/dev/zero of="$1" bs=1M count=2 conv=notrunc status=none`, m.lun(1))
		h.mustIscsifs("status", "--json", m.point)
		h.mustIscsifs("sync", m.point)
		h.iscsifs("mount", m.config, m.point)
	}
	use()
	before := descriptors(t, daemon)
	for range 5 {
		use()
	}
	if !eventually(patience, func() bool { return descriptors(t, daemon) <= before }) {
		t.Errorf("%d descriptors, %d before", descriptors(t, daemon), before)
	}
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A connection that breaks is not an I/O error: reading and writing go on over
// the next one.
func TestConnectionBreaks(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	wire := tap(t, s.portal)
	config := s.config()
	config.portal = wire.Addr()
	m := h.mount(config)
	model := newModel(t, m.lun(1))
	for range 3 {
		model.scribble(10)
		wire.Cut()
	}
	model.scribble(10)
	model.compare(m.lun(1))
	if n := h.status(m.point).Mounts[0].Targets[0].Reconnects; n != 3 {
		t.Errorf("status counts %d reconnects, want 3", n)
	}
	m.umount()
	model.compare(s.backing[1])
}
