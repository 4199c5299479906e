package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/proxy"
)

// away is a mount whose target has gone in a way.
func away(t *testing.T, way func(*proxy.Proxy)) (*host, *mounted) {
	t.Helper()
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	wire := tap(t, s.portal)
	c := s.config()
	c.portal = wire.Addr()
	m := h.mount(c)
	way(wire.Proxy)
	return h, m
}

// A close(2) that waits for the target, its process dead or dying, does not keep
// --discard-dirty from unmounting, be the target away or silent.
func TestUmountDiscardsPendingClose(t *testing.T) {
	for name, way := range map[string]func(*proxy.Proxy){"away": (*proxy.Proxy).Close, "silent": (*proxy.Proxy).Silence} {
		t.Run(name, func(t *testing.T) {
			h, m := away(t, way)
			writer, cancel := h.command("dd", "if=/dev/zero", "of="+m.lun(1), "bs=4096", "count=1", "conv=notrunc")
			defer cancel()
			if err := writer.Start(); err != nil {
				t.Fatal(err)
			}
			closing := func() bool {
				return strings.Contains(h.mustIscsifs("status", "--json", m.point), `"dirty_bytes": 4096`) && !slices.Contains(openedBy(writer.Process.Pid), m.lun(1))
			}
			if !eventually(patience, closing) {
				t.Fatal("dd does not come to its close")
			}
			h.mustIscsifs("umount", "--timeout", "1s", "--discard-dirty", m.point)
			m.gone = true
			writer.Wait()
		})
	}
}

// openedBy are the files that a process has descriptors of.
func openedBy(pid int) (files []string) {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil {
			files = append(files, file)
		}
	}
	return files
}
