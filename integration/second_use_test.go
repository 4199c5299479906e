package integration

import (
	"os"
	"testing"
)

// second is another mount of the same configuration.
func (m *mounted) second(flags ...string) (point string, r result) {
	m.h.t.Helper()
	point = m.h.path("second")
	if err := os.MkdirAll(point, 0o755); err != nil {
		m.h.t.Fatal(err)
	}
	return point, m.h.iscsifs(append([]string{"mount", m.config, point}, flags...)...)
}

func TestSecondUseRefused(t *testing.T) {
	_, _, m := oneLUN(t)
	point, r := m.second()
	r.wantFailure(t, exitInUse, m.point)
	if left := mountsOf(point); len(left) > 0 {
		t.Errorf("mounted all the same: %v", left)
	}
	if _, err := os.ReadFile(m.lun(1)); err != nil {
		t.Errorf("the first mount suffers: %v", err)
	}
}

func TestSecondUseShared(t *testing.T) {
	h, s, m := oneLUN(t)
	point, r := m.second("--shared")
	if r.code != exitDone {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if h.sha256(point+"/lun1") != h.sha256(s.backing[1]) {
		t.Error("the second mount reads other bytes than the backing file's")
	}
	h.mustIscsifs("umount", point)
	if _, err := os.ReadFile(m.lun(1)); err != nil {
		t.Errorf("the first mount suffers: %v", err)
	}
}

// Two readers disturb nobody.
func TestSecondUseReadOnly(t *testing.T) {
	h, _, m := oneLUN(t)
	point, r := m.second("--read-only")
	if r.code != exitDone {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	h.mustIscsifs("umount", point)
}

// A live mount on the mount point is in use.
func TestMountOverLiveMount(t *testing.T) {
	h, _, m := oneLUN(t)
	h.iscsifs("mount", m.config, m.point).wantFailure(t, exitInUse, m.point)
	if mounts := mountsOf(m.point); len(mounts) != 1 {
		t.Errorf("mounted: %v", mounts)
	}
}
