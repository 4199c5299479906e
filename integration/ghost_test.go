package integration

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

// TestGhostWrite: tgt still executes a write of a lost connection when the session has
// logged in again. Were the write repeated and followed by another before that one
// has ended, it would come last and undo what fsync had acknowledged: "nothing lost,
// doubled or reordered to the same block" (promise 2). LOGICAL UNIT RESET, which tgt
// answers when the write has ended, keeps the two apart.
func TestGhostWrite(t *testing.T) {
	needTools(t, "dd", "qemu-img")
	const off, length = mib, 4096
	h := newHost(t)
	store := h.heldStore(8 * mib)
	daemon := h.startTGT()
	target, err := daemon.AddTarget(targetIQN, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.AddLUN(tgt.LUN{Path: store.path, Store: "aio"}); err != nil {
		t.Fatal(err)
	}
	wire := tap(t, daemon.Portal())
	m := h.mount(config{portal: wire.Addr(), iqn: targetIQN})

	v1, v2 := strings.Repeat("1", length), strings.Repeat("2", length)
	put := func(data string) string {
		return `dd if="` + h.write("v"+data[:1], data, 0o600) + `" of="` + m.lun(1) + `" bs=4k seek=256 conv=notrunc,fsync status=none`
	}
	store.hold(off)
	writer, cancel := h.command("bash", "-euc", put(v1)+"\n"+put(v2))
	t.Cleanup(cancel)
	writer.Stderr = os.Stderr
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{}) // v1, and then v2, with fsync
	go func() {
		if err := writer.Wait(); err != nil {
			t.Errorf("dd: %v", err)
		}
		close(written)
	}()
	t.Cleanup(func() { store.release(); <-written })
	h.await("the held write", store.held)
	wire.Cut()
	ended := func() bool {
		select {
		case <-written:
			return true
		default:
			return false
		}
	}
	if !eventually(patience, func() bool { return ended() || wire.saw(opcodeTaskMgmt) }) {
		t.Fatal("no new login")
	}
	// Nobody who sends v2 now may hear of success before the held write has ended;
	// there is time for it.
	eventually(2*time.Second, ended)
	store.release()
	h.await("the held write's end", store.done)
	h.await("v2 and its fsync", written)

	if got := store.at(off, length); got != v2 {
		t.Errorf("tgt's disk holds %.1q, not what was written last", got)
	}
	seen := h.path("seen")
	h.sh(`qemu-img dd -U -f raw -O raw bs=4096 skip=256 if="iscsi://$1/$2/1" of="$3" >/dev/null`, daemon.Portal(), targetIQN, seen)
	if got, err := os.ReadFile(seen); err != nil || !strings.HasPrefix(string(got), v2) {
		t.Errorf("another initiator reads %.1q, %v", got, err)
	}
	m.umount()
}
