package integration

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestGhostOfKilledDaemon: a target still holds a write of a daemon that was killed
// when the next mount writes the same block. It must not come after what fsync has
// acknowledged: "nothing lost, doubled or reordered to the same block" (promise 2).
func TestGhostOfKilledDaemon(t *testing.T) {
	needTools(t, "dd")
	const block, length = 256, 4096
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	m := h.mount(s.config(""))
	v1, v2 := strings.Repeat("1", length), strings.Repeat("2", length)
	put := func(data string) string {
		return `dd if="` + h.write("v"+data[:1], data, 0o600) + `" of="` + m.lun(0) + `" bs=4k seek=256 conv=notrunc,fsync status=none`
	}
	gate := target.NewGate()
	t.Cleanup(gate.Release)
	held := s.OnExecute(target.Once(target.All(scriptedWrites, target.AtLBA(block*length/512))), target.Hold(gate))
	writer, cancel := h.command("bash", "-c", put(v1))
	t.Cleanup(cancel)
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	if !held.Await(1, patience) {
		t.Fatal("v1 has not come to the target")
	}
	daemon := m.daemon(t)
	if err := unix.Kill(daemon, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := writer.Wait(); err == nil {
		t.Fatal("v1 was synchronized, though the target holds it")
	}
	if !eventually(patience, func() bool { return !running(daemon) }) {
		t.Fatal("the daemon survives SIGKILL")
	}
	h.mustIscsifs("mount", m.config, m.point)
	h.sh(put(v2))
	gate.Release() // which executes what is held and was not ended, before it returns
	if got := string(s.medium(t, 0, block*length, length)); got != v2 {
		t.Errorf("the medium holds %.1q, not what was written last", got)
	}
	m.umount()
}
