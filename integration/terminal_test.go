package integration

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

// terminal is a pseudo terminal that a command runs on.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File

	mu   sync.Mutex
	text bytes.Buffer
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 160})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &terminal{t: t, master: master, slave: slave}
}

// start runs a command on the terminal, whose end returns.
func (h *host) onTerminal(program string, args ...string) (*terminal, *exec.Cmd) {
	h.t.Helper()
	term := newTerminal(h.t)
	cmd, cancel := h.command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	term.slave.Close()
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(term, term.master) }() // ends with EIO when nobody has the other side
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		term.master.Close()
		<-read
		cancel()
	})
	return term, cmd
}

// Write takes what the command writes.
func (term *terminal) Write(text []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.Write(text)
}

func (term *terminal) shown() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.String()
}

// await waits until the command has written the text, from the given place on.
func (term *terminal) await(from int, text string) {
	term.t.Helper()
	if !eventually(patience, func() bool { return strings.Contains(term.shown()[from:], text) }) {
		term.t.Fatalf("the terminal does not show %q but %q", text, tail(term.shown()[from:], 2000))
	}
}

// TestStatusWatch: what is watched changes on the screen; it outlives a daemon that is
// killed, and ^C ends it with the terminal as it was.
func TestStatusWatch(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	m := h.mount(s.config(""))
	term, cmd := h.onTerminal(h.program(), "status", "--watch=200ms", m.point)
	term.await(0, "logged in")
	before := len(term.shown())
	if err := s.StopListening(); err != nil {
		t.Fatal(err)
	}
	s.CutConnections()
	term.await(before, "recovering")
	before = len(term.shown())
	if err := syscall.Kill(m.daemon(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	term.await(before, "dead")
	if _, err := term.master.Write([]byte{3}); err != nil { // ^C
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("^C: %v", err)
	}
	term.await(before, "\x1b[?25h\x1b[?1049l")
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
}

// Without a terminal each look follows the last.
func TestStatusWatchInPipe(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	m := h.mount(s.config(""))
	h.watches(`"mountpoint":"`+m.point, "--json", m.point)
	if shown := h.watches("\n"+m.point+"  serving", m.point); strings.Contains(shown, "\x1b") {
		t.Errorf("what a terminal obeys, in a pipe: %q", shown)
	}
}

// watches has status watch until it has written something twice, ends it with SIGINT,
// and returns all that it has written.
func (h *host) watches(twice string, args ...string) string {
	h.t.Helper()
	cmd, cancel := h.command(h.program(), append([]string{"status", "--watch=200ms"}, args...)...)
	defer cancel()
	path := h.path("watched")
	out, err := os.Create(path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	shown := func() string { text, _ := os.ReadFile(path); return string(text) }
	if !eventually(patience, func() bool { return strings.Count(shown(), twice) >= 2 }) {
		h.t.Errorf("status --watch does not show %q twice:\n%s", twice, shown())
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		h.t.Errorf("SIGINT: %v", err)
	}
	return shown()
}

// TestMountShowsWhoIsMissing: who waits at a terminal for targets sees how many are
// there and which are not, and afterwards only what he would in a pipe.
func TestMountShowsWhoIsMissing(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	c := s.config("")
	const absent = "iqn.2026-11.org.example:absent"
	c.tables = "[mount]\nwait = \"4s\"\n[[target]]\nportals = [\"127.0.0.1:1\"]\niqn = \"" + absent + "\"\ndirectory = \"absent\""
	term, cmd := h.onTerminal(h.program(), "mount", h.writeConfig(c), h.mountpoint())
	term.await(0, "1/2")
	term.await(0, "waiting for "+absent)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("the mount without a target ends with %v", err)
	}
	term.await(0, "iscsifs: ")
	if shown := term.shown(); strings.Contains(shown, "%") && strings.LastIndex(shown, "1/2") > strings.LastIndex(shown, "iscsifs: ") {
		t.Errorf("the bar comes after the message: %q", shown)
	}
}
