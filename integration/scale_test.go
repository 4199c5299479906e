package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/proxy"
	"github.com/iscsifs/iscsifs/integration/target"
)

// The size of a large mount, and what its commands may take. The bounds are those of an
// idle machine with two cores, and more, for this process is the target too, under the
// race detector; the times themselves are logged.
const (
	manyLUNs    = 1000
	manyTargets = 100
	quick       = 30 * time.Second
)

// TestThousandLUNs: of one target a millisecond away, with LUN fields of both forms:
// peripheral device addressing up to 255, flat space addressing above (SAM-5, 4.7).
func TestThousandLUNs(t *testing.T) {
	h := newHost(t)
	h.released = true
	var disks []*target.LUN
	for range manyLUNs {
		disks = append(disks, target.NewMemoryLUN(mib, 512))
	}
	s := h.script(disks...)
	c := s.config("size = \"64MiB\"")
	c.portal = passOn(t, s.Addr(), proxy.Options{Delay: time.Millisecond / 2}).Addr()
	h.large(c.toml(h.path("log/daemon.log")), manyLUNs, func(m *mounted) {
		for _, n := range []int{0, 255, 256, manyLUNs - 1} {
			h.writesThrough(s, n, m.lun(n))
		}
	})
}

// TestHundredTargets: of one portal, each with a session and a directory of its own.
func TestHundredTargets(t *testing.T) {
	h := newHost(t)
	h.released = true
	c := target.Config{IQN: scriptedIQN, LUNs: []*target.LUN{target.NewMemoryLUN(mib, 512)}, Strict: true}
	for n := range manyTargets - 1 {
		c.Others = append(c.Others, target.Node{IQN: fmt.Sprintf("%s-%d", scriptedIQN, n), LUNs: []*target.LUN{target.NewMemoryLUN(mib, 512)}})
	}
	s := h.scriptWith(c)
	toml := s.config("size = \"64MiB\"").toml(h.path("log/daemon.log"))
	for n, node := range c.Others {
		toml += fmt.Sprintf("[[target]]\nportals = [%q]\niqn = %q\ndirectory = \"d%d\"\n", s.Addr(), node.IQN, n)
	}
	h.large(toml, manyTargets, func(m *mounted) {
		h.writesThrough(s, 0, m.lun(0))
		if n := len(s.Sessions()); n != manyTargets {
			t.Errorf("%d sessions, want %d", n, manyTargets)
		}
	})
}

// large mounts a configuration of so many LUNs, looks at it and unmounts it, each of it
// quick, in bounded memory.
func (h *host) large(toml string, luns int, use func(*mounted)) {
	h.t.Helper()
	const cacheSize, more = 64 * mib, 96 * mib
	h.program() // its building is no part of a command's time
	m := &mounted{h: h, point: h.mountpoint(), config: h.write("nas.toml", toml, 0o600)}
	lines := h.timed("mount", m.config, m.point)
	h.t.Cleanup(m.umount)
	if n := strings.Count(lines, "\n"); n != luns {
		h.t.Errorf("mount prints %d lines, want %d", n, luns)
	}
	daemon := m.daemon(h.t)
	use(m)
	h.timed("status", m.point)
	h.timed("status", "-vv", m.point)
	h.timed("status", "--json", m.point)
	h.timed("sync", m.point)
	h.timed("rescan", m.point)
	h.timed("logout", m.point, "all")
	h.timed("login", m.point, "all")
	h.readsTree(m.point, luns)
	peak := peakMemory(h.t, daemon)
	h.t.Logf("the daemon took %d MiB", peak/mib)
	if peak > cacheSize+more {
		h.t.Errorf("the daemon took %d MiB, want %d at most", peak/mib, (cacheSize+more)/mib)
	}
	h.timed("umount", m.point)
	m.gone = true
}

// timed runs a command, which must be quick.
func (h *host) timed(args ...string) string {
	h.t.Helper()
	begun := time.Now()
	out := h.mustIscsifs(args...)
	took := time.Since(begun).Round(time.Millisecond)
	h.t.Logf("%s: %s, %d bytes", args[0], took, len(out))
	if took > quick {
		h.t.Errorf("iscsifs %s took %s, want %s at most", strings.Join(args, " "), took, quick)
	}
	return out
}

// readsTree lists the mount as `ls -lR` does and counts its LUN files.
func (h *host) readsTree(point string, luns int) {
	h.t.Helper()
	begun, files := time.Now(), 0
	err := filepath.Walk(point, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			files++
		}
		return err
	})
	if err != nil || files != luns {
		h.t.Errorf("%d files below the mountpoint (%v), want %d", files, err, luns)
	}
	h.t.Logf("ls -lR: %s", time.Since(begun).Round(time.Millisecond))
}

// writesThrough writes to a LUN's file and looks for it on that LUN.
func (h *host) writesThrough(s *scripted, lun int, file string) {
	h.t.Helper()
	want := fmt.Appendf(nil, "this is LUN %d", lun)
	h.sh(`printf %s "$1" | dd of="$2" conv=notrunc,fsync status=none`, string(want), file)
	if have := s.medium(h.t, lun, 0, int64(len(want))); !bytes.Equal(have, want) {
		h.t.Errorf("%s: the medium of LUN %d has %q, want %q", file, lun, have, want)
	}
}
