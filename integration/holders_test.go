package integration

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stack is all that a test puts on a LUN.
type stack struct {
	h           *host
	m           *mounted
	loop, point string // with a file system, mounted
}

// standOn puts a loop device, a file system on it, a process in that, and a bind mount
// on LUN 1.
func (h *host) standOn(m *mounted) stack {
	h.t.Helper()
	s := stack{h: h, m: m, loop: h.attachLoop(m.lun(1))}
	h.sh(ext4.mkfs, s.loop)
	s.point = h.mountFS(s.loop, "rw")
	h.sh(`echo text >"$1"/file`, s.point)
	h.holder(s.point + "/file")
	bind := h.write("bind", "", 0o600)
	h.sh(`mount --bind "$1" "$2"`, m.lun(1), bind)
	h.t.Cleanup(func() { unix.Unmount(bind, 0) }) // fails where the test has
	return s
}

// freedBy are the commands that a refusal shows, in its order.
func freedBy(refusal string) (commands []string) {
	line := regexp.MustCompile(`(?m)^  \S+: (?:process|bind mount|mount|loop device|volume group|device mapper) .*: (.+)$`)
	for _, found := range line.FindAllStringSubmatch(refusal, -1) {
		commands = append(commands, found[1])
	}
	return commands
}

// wantFreed does what the commands say, one after the other.
func (s stack) wantFreed(commands []string) {
	s.h.t.Helper()
	if len(commands) != 4 {
		s.h.t.Fatalf("a process, two mounts and a loop device are freed by %q", commands)
	}
	for _, command := range commands {
		s.h.sh(command)
		if pid, isKill := strings.CutPrefix(command, "kill "); isKill {
			s.h.sh(`while [ -e /proc/"$1"/fd/3 ]; do sleep 0.02; done`, pid)
		}
	}
}

// TestUmountFromWithin: a path in a mount is no mountpoint, but tells which is. A shell in
// the mount is asked to leave it, and umount itself is in nobody's way.
func TestUmountFromWithin(t *testing.T) {
	h, _, m := oneLUN(t)
	h.iscsifs("status", m.lun(1)).wantFailure(t, exitFailed, m.lun(1), "the mountpoint is "+m.point)
	within := h.run("bash", "-c", `cd "$1" && "$2" umount .; exit $?`, "bash", m.point, h.program())
	within.wantFailure(t, exitInUse, m.point+": process ", "(bash", "`cd /` there will do")
	h.sh(`cd "$1" && exec "$2" umount .`, m.point, h.program())
	m.gone = true
}

// TestUmountShowsWhatFrees: the commands of a refusal, in its order, free the LUN, and
// then the unmount succeeds.
func TestUmountShowsWhatFrees(t *testing.T) {
	needTools(t, "losetup", "mkfs.ext4")
	h, _, m := oneLUN(t)
	s := h.standOn(m)
	r := h.iscsifs("umount", m.point)
	if r.code != exitInUse || len(mountsOf(m.point)) != 1 {
		t.Fatalf("exit code %d, mounted %v\n%s", r.code, mountsOf(m.point), r.stderr)
	}
	s.wantFreed(freedBy(r.stderr))
	m.umount()
}

// TestTerminateShowsWhatFrees: so does the log of a daemon that is told to end while it
// is in use; it serves until the last of them is gone. Further signals log the state only.
func TestTerminateShowsWhatFrees(t *testing.T) {
	needTools(t, "losetup", "mkfs.ext4")
	h, _, m := oneLUN(t)
	s := h.standOn(m)
	daemon := m.daemon(t)
	log := func() string {
		text, _ := os.ReadFile(h.path("log/daemon.log"))
		return strings.ReplaceAll(string(text), `\n`, "\n")
	}
	if err := unix.Kill(daemon, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !eventually(patience, func() bool { return strings.Contains(log(), "serves on until then") }) {
		t.Fatal("the log does not say who holds the LUN")
	}
	_, said, _ := strings.Cut(log(), "in use, nothing was changed")
	commands := freedBy(strings.ReplaceAll(said, `","`, "\n"))
	if err := unix.Kill(daemon, unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if !eventually(patience, func() bool { return strings.Contains(log(), "asked to end again") }) {
		t.Error("a second signal logs nothing")
	}
	if state := h.status(m.point).Mounts[0].State; state != "leaving" {
		t.Errorf("the state is %q", state)
	}
	h.sh(`echo more >"$1"/more; sync -f "$1"`, s.point) // it serves
	s.wantFreed(commands)
	m.wantEnd(daemon)
}

// TestUmountLazyWithLoop: the file system on a LUN whose name was detached is served
// until it is unmounted and its loop device detached; what it wrote last is on the
// target when the daemon has ended.
func TestUmountLazyWithLoop(t *testing.T) {
	needTools(t, "losetup", "mkfs.ext4")
	h, s, m := oneLUN(t)
	loop := h.attachLoop(m.lun(1))
	h.sh(ext4.mkfs, loop)
	point := h.mountFS(loop, "rw")
	daemon := m.daemon(t)
	h.mustIscsifs("umount", "--lazy", m.point)
	if left := mountsOf(m.point); len(left) > 0 {
		t.Errorf("still mounted: %v", left)
	}
	h.sh(`echo late >"$1"/late; umount "$1"; losetup -d "$2"`, point, loop)
	m.wantEnd(daemon)
	h.sh(ext4.check, s.backing[1])
	if got := h.sh(`cat "$1"/late; umount "$1"`, h.mountFS(s.backing[1], ext4.options)); got != "late\n" {
		t.Errorf("the file has %q", got)
	}
}

// TestUmountForceWithLoop: --force has what was synchronized on the target, gives
// errors to the file system that is still mounted, and hangs nobody.
func TestUmountForceWithLoop(t *testing.T) {
	needTools(t, "losetup", "mkfs.ext4")
	h, s, m := oneLUN(t)
	loop := h.attachLoop(m.lun(1), "--direct-io=on")
	h.sh(ext4.mkfs, loop)
	point := h.mountFS(loop, "rw")
	h.sh(`echo kept >"$1"/kept; sync -f "$1"`, point)
	daemon := m.daemon(t)
	h.mustIscsifs("umount", "--force", m.point)
	m.wantEnd(daemon)
	if r := h.run("dd", "if="+loop, "of=/dev/null", "iflag=direct", "bs=4k", "count=1"); r.code == 0 {
		t.Error("a loop device that was cut off still reads")
	}
	h.sh(`umount "$1"; losetup -d "$2"`, point, loop)
	if got := h.sh(`cat "$1"/kept; umount "$1"`, h.mountFS(s.backing[1], "ro,loop,noload")); got != "kept\n" {
		t.Errorf("the file has %q", got)
	}
}

// TestUmount8Flags: umount(8) passes on what --lazy and --force are called there.
func TestUmount8Flags(t *testing.T) {
	installHelpers(t)
	for _, flag := range []string{"-l", "-f"} {
		t.Run(flag, func(t *testing.T) {
			h, _, m := oneLUN(t)
			daemon := m.daemon(t)
			holder := h.holder(m.lun(1))
			h.sh(`umount "$1" "$2"`, flag, m.point)
			if left := mountsOf(m.point); len(left) > 0 {
				t.Errorf("still mounted: %v", left)
			}
			if flag == "-l" && !running(daemon) {
				t.Error("the daemon does not serve the last holder")
			}
			release(holder)
			m.wantEnd(daemon)
		})
	}
}
