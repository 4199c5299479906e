package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// mounted is a live mount of the program under test.
type mounted struct {
	h      *host
	point  string
	config string
	gone   bool // unmounted already
}

// mountpoint makes the directory that the tests mount on.
func (h *host) mountpoint() string {
	h.t.Helper()
	point := h.path("luns")
	if err := os.MkdirAll(point, 0o755); err != nil {
		h.t.Fatal(err)
	}
	h.own(point)
	return point
}

// mount mounts a configuration in the background, as users do. The test's end
// unmounts it, which must succeed.
func (h *host) mount(c config, flags ...string) *mounted {
	h.t.Helper()
	m := &mounted{h: h, point: h.mountpoint(), config: h.writeConfig(c)}
	h.mustIscsifs(append([]string{"mount", m.config, m.point}, flags...)...)
	h.t.Cleanup(m.umount)
	return m
}

// tryMount mounts a configuration that may fail.
func (h *host) tryMount(c config, flags ...string) result {
	h.t.Helper()
	return h.iscsifs(append([]string{"mount", h.writeConfig(c), h.mountpoint()}, flags...)...)
}

// umount flushes and unmounts; a second call does nothing.
func (m *mounted) umount() {
	m.h.t.Helper()
	if m.gone {
		return
	}
	m.gone = true
	r := m.h.iscsifs("umount", m.point)
	if r.code != exitDone {
		m.h.t.Errorf("iscsifs umount: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if left := mountsOf(m.point); len(left) > 0 {
		m.h.t.Errorf("still mounted after iscsifs umount: %v", left)
	}
}

// lun is the path of a LUN's file.
func (m *mounted) lun(n int) string { return filepath.Join(m.point, "lun"+strconv.Itoa(n)) }

// daemon is the process that serves the mount.
func (m *mounted) daemon(t *testing.T) int {
	t.Helper()
	status := m.h.status(m.point)
	if len(status.Mounts) != 1 || status.Mounts[0].PID == 0 {
		t.Fatalf("status --json: want one mount with a pid, have %+v", status)
	}
	return status.Mounts[0].PID
}

// target is what status says of the mount's only target.
func (m *mounted) target() targetJSON {
	m.h.t.Helper()
	status := m.h.status(m.point)
	if len(status.Mounts) != 1 || len(status.Mounts[0].Targets) != 1 {
		m.h.t.Fatalf("status --json: want one mount with one target, have %+v", status)
	}
	return status.Mounts[0].Targets[0]
}
