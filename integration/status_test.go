package integration

import (
	"strings"
	"testing"
	"time"
)

func TestStatusJSON(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk, params: map[string]string{"vendor_id": "ACME"}},
		disk{size: 2 * smallDisk, blockSize: 4096}).withCHAP(t)
	m := h.mount(s.config())
	h.sh(`cat "$1" >/dev/null`, m.lun(1))
	status := h.status(m.point)
	if len(status.Mounts) != 1 || len(status.Mounts[0].Targets) != 1 {
		t.Fatalf("status: %+v", status)
	}
	mount, target := status.Mounts[0], status.Mounts[0].Targets[0]
	if mount.Mountpoint != m.point || mount.Config != m.config || mount.PID == 0 {
		t.Errorf("mount: %+v", mount)
	}
	if target.IQN != s.IQN || target.State == "" || time.Since(target.Since) > time.Hour ||
		len(target.Portals) != 1 || target.Portals[0].Address != s.portal || len(target.LUNs) != 2 {
		t.Fatalf("target: %+v", target)
	}
	one, two := target.LUNs[0], target.LUNs[1]
	if one.LUN != 1 || one.Path != m.lun(1) || one.Size != smallDisk || one.BlockSize != 512 || one.Vendor != "ACME" || one.ReadBytes < smallDisk {
		t.Errorf("LUN 1: %+v", one)
	}
	if two.LUN != 2 || two.Path != m.lun(2) || two.Size != 2*smallDisk || two.BlockSize != 4096 {
		t.Errorf("LUN 2: %+v", two)
	}
}

func TestStatusForPeople(t *testing.T) {
	h, s, m := oneLUN(t)
	for _, args := range [][]string{{"status"}, {"status", m.point}, {"status", "-v", m.point}, {"status", "-vv", m.point}} {
		out := h.mustIscsifs(args...)
		for _, want := range []string{m.point, s.IQN, s.portal, "lun1"} {
			if !strings.Contains(out, want) {
				t.Errorf("iscsifs %q says nothing of %s:\n%s", args, want, out)
			}
		}
		if strings.Contains(out, "\x1b[") {
			t.Errorf("iscsifs %q colours a pipe", args)
		}
	}
}

func TestStatusNamesHolder(t *testing.T) {
	h, _, m := oneLUN(t)
	if holders := h.status(m.point).Mounts[0].Targets[0].LUNs[0].Holders; len(holders) != 0 {
		t.Errorf("holders of a LUN that nobody uses: %v", holders)
	}
	h.holder(m.lun(1))
	if holders := h.status(m.point).Mounts[0].Targets[0].LUNs[0].Holders; len(holders) != 1 {
		t.Errorf("holders: %v, want one", holders)
	}
}

func TestSync(t *testing.T) {
	h, _, m := oneLUN(t)
	h.mustIscsifs("sync", m.point)
}

// Without a mountpoint, sync means all mounts of its user; nobody has no others.
func TestSyncAll(t *testing.T) {
	h := newUserHost(t)
	h.mount(h.serve(nil, disk{size: smallDisk}).config())
	h.mustIscsifs("sync")
}

// The lines that mount prints tell what to do with a LUN of large blocks.
func TestMountPrintsLUNs(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk}, disk{size: smallDisk, blockSize: 4096})
	point := h.mountpoint()
	out := h.mustIscsifs("mount", h.writeConfig(s.config()), point)
	defer h.mustIscsifs("umount", point)
	for _, want := range []string{point + "/lun1", point + "/lun2", s.IQN, "losetup", "--sector-size 4096"} {
		if !strings.Contains(out, want) {
			t.Errorf("mount does not print %q:\n%s", want, out)
		}
	}
}
