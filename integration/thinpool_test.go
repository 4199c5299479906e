package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestThinPool: a soft threshold is logged once and shown; when the pool is used up,
// fsync fails with ENOSPC and what was written is kept; all of it is written when
// there is space again.
func TestThinPool(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(64*mib, 512, target.Thin(), target.WriteCache()))
	pool := s.luns[0]
	m := h.mount(s.config(lazyCache))
	lun := func() lunJSON { return h.status(m.point).Mounts[0].Targets[0].LUNs[0] }
	if l := lun(); !l.Thin || l.Space != "" {
		t.Fatalf("before anything: thin %v, space %q", l.Thin, l.Space)
	}
	data := bytes.Repeat([]byte("thin pool "), 4*mib/10)
	file := h.write("data", string(data), 0o600)

	pool.SetPool(2*mib, mib/2)
	h.sh(`dd if="$1" of="$2" bs=1M count=1 conv=notrunc,fsync status=none`, file, m.lun(0))
	h.sh(`dd if="$1" of=/dev/null bs=4k count=1 skip=8192 iflag=direct status=none`, m.lun(0)) // brings the unit attention
	if !eventually(patience, func() bool { return lun().Space == "soft threshold reached" }) {
		t.Errorf("space %q, want the soft threshold", lun().Space)
	}
	h.wantWarning(m, 0, "soft threshold")
	if !strings.Contains(h.mustIscsifs("status", m.point), "soft threshold") {
		t.Error("`iscsifs status` does not speak of the soft threshold")
	}
	pool.QueueUnitAttention(0x38, 0x07)

	r := h.run("dd", "if="+file, "of="+m.lun(0), "bs=1M", "conv=notrunc,fsync", "status=none")
	if r.code == 0 || !strings.Contains(r.stderr, "No space left on device") {
		t.Errorf("dd with fsync, the pool being too small: exit code %d, %s", r.code, r.stderr)
	}
	h.iscsifs("sync", m.point).wantFailure(t, exitDirty, "LUN 0")
	if l := lun(); l.Space != "exhausted" || l.DirtyBytes < 2*mib {
		t.Errorf("space %q, %d bytes dirty", l.Space, l.DirtyBytes)
	}
	h.wantWarning(m, 0, "no space left")
	if got := h.sh(`head -c "$2" "$1"`, m.lun(0), itoa(int64(len(data)))); got != string(data) {
		t.Error("the file does not read as it was written any more")
	}

	pool.SetPool(0, 0)
	h.mustIscsifs("sync", m.point)
	if got := s.medium(t, 0, 0, int64(len(data))); !bytes.Equal(got, data) {
		t.Error("not all that was written is on the target")
	}
	if l := lun(); l.Space != "soft threshold reached" || l.DirtyBytes != 0 {
		t.Errorf("with space: space %q, %d bytes dirty", l.Space, l.DirtyBytes)
	}
	for line, want := range map[string]int{"lun0: the target's soft threshold": 1, "lun0: the target has no space left": 1, "lun0: the target has space again": 1} {
		if n := h.logged(line); n != want {
			t.Errorf("the log says %q %d times", line, n)
		}
	}
}

// logged counts the lines of the daemons' logs with a text.
func (h *host) logged(text string) (n int) {
	h.t.Helper()
	logs, err := filepath.Glob(h.path("log/*"))
	if err != nil || len(logs) == 0 {
		h.t.Fatalf("no logs: %v", err)
	}
	for _, log := range logs {
		b, err := os.ReadFile(log)
		if err != nil {
			h.t.Fatal(err)
		}
		n += strings.Count(string(b), text)
	}
	return n
}
