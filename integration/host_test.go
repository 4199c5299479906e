package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// host is what one test sees of the machine: a directory of its own, the user
// that runs its commands, and the promise that nothing stays behind.
type host struct {
	t        *testing.T
	dir      string
	user     *unprivileged // nil: as the test itself, root
	released bool          // the program is the one that users get, whose time and memory count
	network  *network      // nil: that of the test itself
}

const commandTimeout = 3 * time.Minute

// patience is how long a test waits for what must come: however busy the machine is, who
// waits for the right thing does not wait for long.
const patience = time.Minute

// newHost gives a test its directory. At the end of the test, after its other
// cleanups, whatever the test left on the machine is an error and is removed.
func newHost(t *testing.T) *host {
	t.Helper()
	dir, err := os.MkdirTemp(runDir, "t-") // short: sockets lie below it, and their names may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, dir: dir}
	for path, mode := range map[string]os.FileMode{dir: 0o755, h.path("race"): 0o777, h.path("log"): 0o777, h.path("home"): 0o777} {
		os.Mkdir(path, mode)
		os.Chmod(path, mode) // against the umask
	}
	t.Cleanup(h.close)
	return h
}

// path names a file in the test's directory.
func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// close is the test's last cleanup.
func (h *host) close() {
	eventually(patience, func() bool { return len(leftovers(h.dir)) == 0 })
	for _, left := range leftovers(h.dir) {
		h.t.Errorf("left behind: %s", left)
	}
	sweep(h.dir)
	h.reportRaces()
	if h.t.Failed() {
		h.showLogs()
	}
	os.RemoveAll(h.dir)
}

func (h *host) reportRaces() {
	reports, _ := filepath.Glob(h.path("race/report.*"))
	for _, report := range reports {
		text, _ := os.ReadFile(report)
		h.t.Errorf("the race detector found:\n%s", text)
	}
}

func (h *host) showLogs() {
	logs, _ := filepath.Glob(h.path("log/*"))
	for _, log := range logs {
		text, _ := os.ReadFile(log)
		h.t.Logf("%s ends with:\n%s", filepath.Base(log), tail(string(text), 4000))
	}
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// run executes a command to its end, whatever its exit code.
func (h *host) run(name string, args ...string) result {
	h.t.Helper()
	cmd, cancel := h.command(name, args...)
	defer cancel()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	r := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if err != nil && r.code <= 0 { // a signal, our timeout, or a child that holds our pipes
		h.t.Fatalf("%s: %v\n%s%s", cmd, err, r.stdout, tail(r.stderr, 8000))
	}
	return r
}

// sh runs a shell script that must succeed and returns its output.
func (h *host) sh(script string, args ...string) string {
	h.t.Helper()
	r := h.run("bash", append([]string{"-euo", "pipefail", "-c", script, "bash"}, args...)...)
	if r.code != 0 {
		h.t.Fatalf("%s\nwith %q: exit code %d\n%s%s", script, args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// command prepares a command of this host's user, which is ended when it hangs
// (by SIGQUIT, so that a Go program shows its goroutines).
func (h *host) command(name string, args ...string) (*exec.Cmd, context.CancelFunc) {
	if h.network != nil {
		name, args = "nsenter", append([]string{"--net=" + h.network.path(), name}, args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout*time.Duration(*long))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 5 * time.Second // a daemon must not hold its caller's pipes
	cmd.Dir = h.path("home")
	cmd.Env = h.environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if h.user != nil {
		cmd.SysProcAttr.Credential = h.user.credential()
	}
	return cmd, cancel
}

func (h *host) environ() []string {
	return append(os.Environ(), dirVar+"="+h.dir, "HOME="+h.path("home"), "LC_ALL=C.UTF-8", "TZ=UTC",
		"XDG_STATE_HOME="+h.path("home/state"), "XDG_RUNTIME_DIR="+h.path("home"), "XDG_CONFIG_HOME="+h.path("home/config"),
		"GORACE=atexit_sleep_ms=0 log_path="+h.path("race/report"), "PATH=/usr/local/sbin:/usr/sbin:/sbin:"+os.Getenv("PATH"))
}

// write creates a file of the host's user in the test's directory.
func (h *host) write(name, text string, mode os.FileMode) string {
	h.t.Helper()
	path := h.path(name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	h.own(path)
	return path
}

// own gives a path to the host's user.
func (h *host) own(path string) {
	if h.user != nil {
		if err := os.Chown(path, h.user.uid, h.user.gid); err != nil {
			h.t.Fatal(err)
		}
	}
}

// eventually polls until ok holds; false if that takes longer than limit.
func eventually(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
