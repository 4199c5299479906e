package integration

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

const exitDirty = 6

// dirtyData is what the tests below have in memory only.
var dirtyData = bytes.Repeat([]byte("dirty!! "), mib/8)

// lazyCache leaves what is written in memory until somebody asks for it.
const lazyCache = "flush_interval = \"1h\"\n"

// hungWithDirtyData mounts a LUN whose target answers no write until the gate opens,
// and leaves it dirtyData to write back.
func hungWithDirtyData(t *testing.T) (*scripted, *mounted, *target.Gate) {
	t.Helper()
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	c := s.config(lazyCache)
	c.tables += longTimeouts
	m := h.mount(c)
	gate := target.NewGate()
	s.OnExecute(scriptedWrites, target.Hold(gate))
	t.Cleanup(gate.Release)
	h.leaveDirty(m, 0, dirtyData)
	return s, m, gate
}

// TestUmountOfHungTarget: what cannot be flushed in time keeps its mount, which stays
// as usable as it was, and loses nothing when the target answers again.
func TestUmountOfHungTarget(t *testing.T) {
	s, m, gate := hungWithDirtyData(t)
	begun := time.Now()
	m.h.iscsifs("umount", "--force", "--timeout", "1s", m.point).wantFailure(t, exitDirty, "1.0 MiB", "LUN 0", scriptedIQN, m.point)
	if took := time.Since(begun); took > patience {
		t.Errorf("umount --timeout 1s took %v", took)
	}
	if got := m.h.sh(`head -c 1048576 "$1"`, m.lun(0)); got != string(dirtyData) {
		t.Error("the file does not read as it was written any more")
	}
	gate.Release()
	m.h.sh(`printf more | dd of="$1" oflag=seek_bytes seek=2M conv=notrunc status=none`, m.lun(0))
	m.umount()
	if got := s.medium(t, 0, 0, mib); !bytes.Equal(got, dirtyData) {
		t.Error("what was dirty is not on the target")
	}
	if got := s.medium(t, 0, 2*mib, 4); string(got) != "more" {
		t.Errorf("what was written after the umount that failed: %q", got)
	}
}

// TestUmountDiscardsDirtyData: --discard-dirty gives up what a target does not take.
func TestUmountDiscardsDirtyData(t *testing.T) {
	s, m, _ := hungWithDirtyData(t)
	daemon := m.daemon(t)
	if r := m.h.iscsifs("umount", "--force", "--timeout", "1s", "--discard-dirty", m.point); r.code != exitDone {
		t.Errorf("umount --discard-dirty: exit code %d\n%s", r.code, r.stderr)
	}
	m.wantEnd(daemon)
	if got := s.medium(t, 0, 0, mib); bytes.Equal(got, dirtyData) {
		t.Error("the target took what it was to hold: nothing was tested")
	}
}

// leaveDirty lets another process write to LUN 0, and returns when the data is in
// memory. The process then waits in close(2) for a target that does not answer. It
// must be another one: each command that a process starts closes its files.
func (h *host) leaveDirty(m *mounted, off int64, data []byte) {
	h.t.Helper()
	cmd, cancel := h.command("dd", "of="+m.lun(0), "bs=1M", "iflag=fullblock", "oflag=seek_bytes", fmt.Sprint("seek=", off), "conv=notrunc", "status=none")
	cmd.Stdin = bytes.NewReader(data)
	written := h.status(m.point).Mounts[0].Targets[0].LUNs[0].WrittenBytes + int64(len(data))
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { release(cmd); cancel() })
	there := func() bool { return h.status(m.point).Mounts[0].Targets[0].LUNs[0].WrittenBytes >= written }
	if !eventually(patience, there) {
		h.t.Fatal("the data does not get into memory")
	}
}

// TestLateWrites: what could not be written within replacement_timeout is held until
// sync asks for it, or written as soon as the target is back.
func TestLateWrites(t *testing.T) {
	for mode, held := range map[string]bool{"hold": true, "write": false} {
		t.Run(mode, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(smallDisk, 512))
			c := s.config(lazyCache + "late_writes = \"" + mode + "\"")
			c.tables += "\n[session]\nreplacement_timeout = \"1s\""
			m := h.mount(c)
			f := open(t, m.lun(0), os.O_RDWR)
			if _, err := f.WriteAt(dirtyData, 0); err != nil {
				t.Fatal(err)
			}
			if err := s.StopListening(); err != nil {
				t.Fatal(err)
			}
			s.CutConnections()
			if err := f.Sync(); err == nil {
				t.Fatal("fsync has succeeded without a target")
			}
			if !held {
				h.iscsifs("sync", m.point).wantFailure(t, exitDirty, "1.0 MiB", "LUN 0", scriptedIQN)
			}
			if err := s.Listen(); err != nil {
				t.Fatal(err)
			}
			back := func() bool { return h.status(m.point).Mounts[0].Targets[0].State == "logged in" }
			if !eventually(patience, back) {
				t.Fatalf("no session again: %+v", h.status(m.point).Mounts[0].Targets[0])
			}
			written := func() bool { return bytes.Equal(s.medium(t, 0, 0, mib), dirtyData) }
			if held {
				if err := f.Sync(); err == nil || written() {
					t.Errorf("fsync: %v; what is late was to be held until `iscsifs sync`", err)
				}
				h.mustIscsifs("sync", m.point)
			}
			if !eventually(patience, written) {
				t.Error("what was late is not on the target")
			}
		})
	}
}
