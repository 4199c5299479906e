package integration

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// writer is a process that has a LUN open, and writes what it is given without
// making it durable: it closes nothing. (A test that held the file itself would
// synchronize it with every process that it starts.)
type writer struct {
	h      *host
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr strings.Builder
	ended  bool
}

const writerBlock = 4096

// writer opens a LUN's file to write from a block of 4 KiB on. The test's end ends
// it.
func (h *host) writer(path string, block int64) *writer {
	h.t.Helper()
	cmd, cancel := h.command("dd", "of="+path, "bs="+itoa(writerBlock), "seek="+itoa(block), "conv=notrunc", "iflag=fullblock", "status=none")
	w := &writer{h: h, cmd: cmd}
	cmd.Stderr = &w.stderr
	var err error
	if w.stdin, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { w.end(); cancel() })
	// It has begun when it waits for its input: what it closed before has been synchronized.
	waits := fmt.Sprintf("%d 0x0 ", unix.SYS_READ)
	if !eventually(patience, func() bool {
		call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", cmd.Process.Pid))
		return strings.HasPrefix(string(call), waits) && slices.Contains(openedBy(cmd.Process.Pid), path)
	}) {
		h.t.Fatalf("dd does not come to read its input: %s", w.end())
	}
	return w
}

// write writes a block, full of a byte, behind the last.
func (w *writer) write(b byte) {
	w.h.t.Helper()
	if _, err := w.stdin.Write([]byte(strings.Repeat(string(rune(b)), writerBlock))); err != nil {
		w.h.t.Fatal(err)
	}
}

// end closes the file and returns what the writer had to complain of.
func (w *writer) end() string {
	if !w.ended {
		w.ended = true
		_ = w.stdin.Close()
		_ = w.cmd.Wait()
	}
	return w.stderr.String()
}

// wantDirty waits until status calls that much of a LUN dirty.
func (h *host) wantDirty(m *mounted, lun int, bytes int64) {
	h.t.Helper()
	if !eventually(patience, func() bool { return h.dirty(m, lun) == bytes }) {
		h.t.Fatalf("%d bytes of LUN %d are dirty, want %d", h.dirty(m, lun), lun, bytes)
	}
}

// wantLine checks a line of a command's output.
func wantLine(t *testing.T, out, line string) {
	t.Helper()
	for got := range strings.Lines(out) {
		if strings.TrimSpace(got) == line {
			return
		}
	}
	t.Errorf("no line %q in:\n%s", line, out)
}
