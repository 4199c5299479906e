package integration

import (
	"strings"
	"testing"
)

// Exit codes of iscsifs, as its users' scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
	exitInUse       = 5
)

// iscsifs runs the program under test to its end.
func (h *host) iscsifs(args ...string) result {
	h.t.Helper()
	return h.run(h.program(), args...)
}

// program is the path of the program under test.
func (h *host) program() string {
	h.t.Helper()
	built := builtProgram
	if h.released {
		built = releasedProgram
	}
	path, err := built()
	if err != nil {
		h.t.Fatal(err)
	}
	return path
}

// mustIscsifs runs the program, which must succeed, and returns its output.
func (h *host) mustIscsifs(args ...string) string {
	h.t.Helper()
	r := h.iscsifs(args...)
	if r.code != exitDone {
		h.t.Fatalf("iscsifs %s: exit code %d, want 0\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// wantFailure checks what a user sees of a failure: the exit code, and a
// message that begins with the program's name, has every word of words, and is
// no stack trace.
func (r result) wantFailure(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	message := strings.TrimSpace(r.stderr)
	first, _, _ := strings.Cut(message, "\n")
	if !strings.HasPrefix(first, "iscsifs: ") {
		t.Errorf("the message does not begin with \"iscsifs: \"")
	}
	for _, word := range words {
		if !strings.Contains(message, word) {
			t.Errorf("the message does not mention %q", word)
		}
	}
	if strings.Contains(message, "goroutine ") || strings.Count(message, "\n") > 3 {
		t.Errorf("the message is not a sentence with at most a hint")
	}
	if t.Failed() {
		t.Logf("exit code %d, stderr:\n%s", r.code, r.stderr)
	}
}
