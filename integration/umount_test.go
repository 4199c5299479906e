package integration

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// holder starts a process that keeps a file open until it is killed; it
// returns once the file is open.
func (h *host) holder(path string) *exec.Cmd {
	h.t.Helper()
	cmd, cancel := h.command("bash", "-c", `exec 3<"$1"; echo; exec sleep 600`, "bash", path)
	ready, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { release(cmd); cancel() })
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		h.t.Fatal(err)
	}
	return cmd
}

func release(holder *exec.Cmd) {
	holder.Process.Kill()
	holder.Wait()
}

// wantRefusedUmount checks that an unmount of a LUN in use is refused, names
// the holder, and changes nothing.
func (m *mounted) wantRefusedUmount(holder string) {
	m.h.t.Helper()
	daemon := m.daemon(m.h.t)
	r := m.h.iscsifs("umount", m.point)
	if r.code != exitInUse {
		m.h.t.Errorf("exit code %d, want %d\n%s", r.code, exitInUse, r.stderr)
	}
	if !strings.Contains(r.stderr, holder) {
		m.h.t.Errorf("the message does not name %q:\n%s", holder, r.stderr)
	}
	if m.daemon(m.h.t) != daemon {
		m.h.t.Error("another daemon serves the mount now")
	}
	if _, err := os.ReadFile(m.lun(1)); err != nil {
		m.h.t.Errorf("the LUN is not usable any more: %v", err)
	}
}

func TestUmountRefusedWhileProcessHolds(t *testing.T) {
	h, _, m := oneLUN(t)
	holder := h.holder(m.lun(1))
	m.wantRefusedUmount(strconv.Itoa(holder.Process.Pid))
	release(holder)
	m.umount()
}

func TestUmountRefusedWhileLoopHolds(t *testing.T) {
	needTools(t, "losetup")
	h, _, m := oneLUN(t)
	loop := h.attachLoop(m.lun(1))
	m.wantRefusedUmount(loop)
	h.sh(`losetup -d "$1"`, loop)
	m.umount()
}

func TestUmountRefusedWhileFileSystemIsMounted(t *testing.T) {
	needTools(t, "losetup", "mkfs.ext4")
	h, _, m := oneLUN(t)
	loop := h.attachLoop(m.lun(1))
	h.sh(ext4.mkfs, loop)
	point := h.mountFS(loop, "rw")
	m.wantRefusedUmount(point)
	h.sh(`umount "$1"; losetup -d "$2"`, point, loop)
	m.umount()
}

// --lazy takes the name away at once; the daemon serves the holder to its end.
func TestUmountLazy(t *testing.T) {
	h, s, m := oneLUN(t)
	f := open(t, m.lun(1), os.O_RDWR)
	h.mustIscsifs("umount", "--lazy", m.point)
	m.gone = true
	if left := mountsOf(m.point); len(left) > 0 {
		t.Errorf("still mounted: %v", left)
	}
	if _, err := f.WriteAt([]byte("late"), 4096); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	disk, err := os.ReadFile(s.backing[1])
	if err != nil || string(disk[4096:4100]) != "late" {
		t.Errorf("the last holder's write is lost: %v", err)
	}
}

// --force cuts the holders off.
func TestUmountForce(t *testing.T) {
	h, _, m := oneLUN(t)
	f := open(t, m.lun(1), os.O_RDWR)
	h.mustIscsifs("umount", "--force", m.point)
	m.gone = true
	if _, err := f.ReadAt(make([]byte, 512), 0); err == nil {
		t.Error("a holder that was cut off still reads")
	}
}

// A session ends with a Logout Request, not with a cut connection.
func TestUmountLogsOut(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	wire := tap(t, s.portal)
	c := s.config()
	c.portal = wire.Addr()
	m := h.mount(c)
	if wire.lastPDU() == opcodeLogout {
		t.Fatal("logged out before the unmount")
	}
	m.umount()
	if last := wire.lastPDU(); last != opcodeLogout {
		t.Errorf("the last PDU has opcode %02x, want a Logout Request", last)
	}
}

func TestUmountOfWhatIsNotMounted(t *testing.T) {
	h := newHost(t)
	h.iscsifs("umount", h.mountpoint()).wantFailure(t, exitFailed, h.path("luns"))
}

// SIGTERM to a daemon whose LUN is held: it goes on serving, and ends with the
// last holder.
func TestTerminateWhileHeld(t *testing.T) {
	h, _, m := oneLUN(t)
	daemon := m.daemon(t)
	holder := h.holder(m.lun(1))
	for range 3 {
		if err := unix.Kill(daemon, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.ReadFile(m.lun(1)); err != nil {
		t.Errorf("does not serve after SIGTERM: %v", err)
	}
	log := func() bool {
		text, _ := os.ReadFile(h.path("log/daemon.log"))
		return strings.Contains(string(text), strconv.Itoa(holder.Process.Pid))
	}
	if !eventually(patience, log) {
		t.Error("the log does not name the holder")
	}
	release(holder)
	m.wantEnd(daemon)
}

// SIGTERM and SIGINT unmount what nobody uses.
func TestTerminate(t *testing.T) {
	for _, signal := range []syscall.Signal{unix.SIGTERM, unix.SIGINT} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			_, _, m := oneLUN(t)
			daemon := m.daemon(t)
			if err := unix.Kill(daemon, signal); err != nil {
				t.Fatal(err)
			}
			m.wantEnd(daemon)
		})
	}
}

// wantEnd waits until the daemon has unmounted and ended.
func (m *mounted) wantEnd(daemon int) {
	m.h.t.Helper()
	m.gone = eventually(patience, func() bool {
		return len(mountsOf(m.point)) == 0 && !running(daemon)
	})
	if !m.gone {
		m.h.t.Error("the daemon did not unmount and end")
	}
}
