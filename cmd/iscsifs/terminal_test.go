package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a terminal and what it was sent.
type pty struct {
	tty    *os.File // the program's side
	master *os.File

	mu   sync.Mutex
	text bytes.Buffer
}

func newPTY(t *testing.T, rows, columns uint16) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{tty: slave, master: master}
	p.resize(t, rows, columns)
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(p, master) }() // ends with EIO when the slave is closed
	t.Cleanup(func() { slave.Close(); <-read; master.Close() })
	return p
}

func (p *pty) resize(t *testing.T, rows, columns uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
}

// Write takes what the terminal was sent; the program writes to tty.
func (p *pty) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(text)
}

// shown is what the terminal was sent by now.
func (p *pty) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await returns what the terminal was sent, when it has the text.
func (p *pty) await(t *testing.T, text string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		shown := p.shown()
		if strings.Contains(shown, text) {
			return shown
		}
		if time.Now().After(deadline) {
			t.Fatalf("the terminal does not show %q but %q", text, shown)
		}
	}
}

// TestWaitBar: a wait shows after a second how many are done, and whom it waits for, and
// leaves nothing on the screen; a line that comes meanwhile is whole.
func TestWaitBar(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	terminal := newPTY(t, 24, 80)
	b := (&program{stderr: terminal.tty}).newWaitBar("starting")
	b.logins([]byte(`{"done":2,"total":5,"missing":["iqn.a\u001b[2J","iqn.b","iqn.c"]}`))
	if shown := terminal.shown(); shown != "" {
		t.Errorf("at once: %q", shown)
	}
	shown := terminal.await(t, "2/5")
	if waited := time.Since(b.began); waited < barDelay {
		t.Errorf("shown after %s", waited)
	}
	if !strings.Contains(shown, "waiting for iqn.a\ufffd[2J and 2 more") {
		t.Errorf("it does not say whom it waits for: %q", shown)
	}
	fmt.Fprintln(b.above(terminal.tty), "a line")
	b.logins([]byte(`{"done":4,"total":5,"missing":["iqn.c"]}`))
	terminal.await(t, "4/5")
	b.end()
	fmt.Fprint(terminal.tty, "end")
	shown = terminal.await(t, "end")
	if strings.Contains(shown, "\x1b[3") || strings.Contains(shown, "\x1b[2J") {
		t.Errorf("colours or what a target says: %q", shown)
	}
	for _, line := range []string{"a line", "end"} {
		before, _, _ := strings.Cut(shown, line)
		if row := lastRow(before); strings.TrimSpace(row) != "" {
			t.Errorf("%q is written behind %q", line, row)
		}
	}
}

// lastRow is what a terminal shows on the row that the text ends on, if it goes back by
// carriage returns only and clears by spaces or erasing.
func lastRow(text string) string {
	text = text[strings.LastIndex(text, "\n")+1:]
	var row []rune
	for part := range strings.SplitSeq(text, "\r") {
		part, erased := strings.CutSuffix(part, "\x1b[K")
		part = strings.TrimPrefix(part, "\x1b[2K")
		line := []rune(part)
		if len(line) > len(row) || erased {
			row = line
		} else {
			copy(row, line)
		}
	}
	return string(row)
}

// A bar never fills more than a row, which could not be taken away again.
func TestWaitBarFitsTerminal(t *testing.T) {
	terminal := newPTY(t, 24, 60)
	b := (&program{stderr: terminal.tty}).newWaitBar("starting")
	b.set(1, 3, strings.Repeat("long", 50))
	shown := terminal.await(t, "1/3")
	b.end()
	for row := range strings.SplitSeq(shown, "\r") {
		if n := len([]rune(row)); n >= 60 {
			t.Errorf("a row of %d characters: %q", n, row)
		}
	}
}

// Nothing is shown where nobody looks.
func TestNoBarWithoutTerminal(t *testing.T) {
	var out bytes.Buffer
	b := (&program{stderr: &out}).newWaitBar("starting")
	b.set(1, 2, "waiting")
	b.end()
	flush := (&program{stderr: &out}).newFlushBar("flushing")
	flush.began = time.Now().Add(-time.Hour)
	flush.progress([]byte(`{"dirty":5}`))
	flush.end()
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}

func TestFlushBar(t *testing.T) {
	terminal := newPTY(t, 24, 100)
	b := (&program{stderr: terminal.tty}).newFlushBar("flushing /mnt")
	b.progress([]byte(`{"dirty":4194304}`))
	if terminal.shown() != "" {
		t.Errorf("at once: %q", terminal.shown())
	}
	b.began = time.Now().Add(-2 * barDelay)
	b.progress([]byte(`{"dirty":3145728}`))
	shown := terminal.await(t, "flushing /mnt")
	if !strings.Contains(shown, "1.0/4.0 MiB") && !strings.Contains(shown, "25%") {
		t.Errorf("a quarter is written: %q", shown)
	}
	b.end()
}

// TestScreen: each look is drawn over the last, no line wraps, what has no room is
// counted, and the terminal is as it was afterwards.
func TestScreen(t *testing.T) {
	terminal := newPTY(t, 4, 20)
	s := newScreen(terminal.tty)
	s.show("one\ntwo\nthree\nfour\nfive\n")
	shown := terminal.await(t, "… and 3 more lines")
	if strings.Contains(shown, "three") || !strings.Contains(shown, "two") || !strings.HasPrefix(shown, "\x1b[?1049h") || strings.Contains(shown, "…\n") {
		t.Errorf("four rows show %q", shown)
	}
	terminal.resize(t, 10, 20)
	s.redraw()
	shown = terminal.await(t, "five")
	if i := strings.LastIndex(shown, "\x1b[H"); strings.Contains(shown[i:], "more line") || strings.Count(shown[i:], "\n") != 5 || strings.HasSuffix(shown, "\n") {
		t.Errorf("ten rows show %q", shown[i:])
	}
	s.close()
	terminal.await(t, "\x1b[?1049l")
}
