package vm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/vm"
	"github.com/iscsifs/iscsifs/integration/vm/shell"
)

const (
	bootLimit    = 8 * time.Minute // a busy host boots slowly
	commandLimit = 2 * time.Minute
)

// need skips where no machine can run, as a failure if every test must run.
func need(t *testing.T) {
	t.Helper()
	lacking := ""
	for _, name := range []string{"qemu-system-x86_64", "tgtd", "tgtadm"} {
		if _, err := exec.LookPath(name); err != nil {
			lacking = name + " (integration/install-deps installs it)"
		}
	}
	if os.Geteuid() != 0 {
		lacking = "root, for tgtd"
	}
	if err := vm.HaveImage(); err != nil {
		lacking = err.Error()
	}
	switch {
	case lacking == "":
	case os.Getenv("ISCSIFS_MUST_RUN") == "all":
		t.Fatalf("must run (ISCSIFS_MUST_RUN), but needs %s", lacking)
	default:
		t.Skipf("needs %s", lacking)
	}
}

// guest is a machine that a test has booted.
type guest struct {
	t *testing.T
	*vm.Machine
}

// boot starts a machine for one test, which ends it.
func boot(t *testing.T, init string, files ...vm.File) *guest {
	t.Helper()
	m := start(t, t.TempDir(), init, files...)
	t.Cleanup(func() { end(t, m) })
	return &guest{t, m}
}

// start starts a machine and says how long that took.
func start(t *testing.T, dir, init string, files ...vm.File) *vm.Machine {
	t.Helper()
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, vm.File{Path: "/usr/local/sbin/iscsifs", From: built.iscsifs, Mode: 0o755})
	ctx, cancel := context.WithTimeout(context.Background(), bootLimit)
	defer cancel()
	begun := time.Now()
	m, err := vm.Boot(ctx, vm.Config{Dir: dir, Guest: built.guest, Files: files, Init: init})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("booted in %.1f s", time.Since(begun).Seconds())
	return m
}

// end ends a machine; the failure of a test shows its console.
func end(t *testing.T, m *vm.Machine) {
	m.Close()
	if t.Failed() {
		t.Logf("the console:\n%s", m.Console())
	}
}

// run executes a script to its end, whatever its exit code.
func (g *guest) run(script string) shell.Result {
	g.t.Helper()
	return g.runFor(commandLimit, script)
}

func (g *guest) runFor(limit time.Duration, script string) shell.Result {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit+10*time.Second)
	defer cancel()
	r, err := g.Run(ctx, shell.Command{Args: []string{"bash", "-euo", "pipefail", "-c", script}, Limit: limit})
	if err != nil {
		g.t.Fatalf("%s: %v", script, err)
	}
	return r
}

// sh executes a script that must succeed and returns its output.
func (g *guest) sh(script string) string {
	g.t.Helper()
	r := g.run(script)
	if r.Code != 0 {
		g.t.Fatalf("%s\nexit code %d\n%s%s\n%s", script, r.Code, r.Stdout, r.Stderr, g.journal())
	}
	return r.Stdout
}

// wantNoErrors checks what the machine's kernel says of its devices and file
// systems.
func (g *guest) wantNoErrors() {
	g.t.Helper()
	for line := range strings.Lines(g.sh("dmesg")) {
		for _, bad := range []string{"I/O error", "EXT4-fs error", "EXT4-fs warning", "JBD2: ", "blocked for more than", "BUG:", "Oops"} {
			if strings.Contains(line, bad) {
				g.t.Errorf("the kernel says: %s", line)
			}
		}
	}
}

// until tries a script until it succeeds, or, with the limit over, fails. The machine
// does that by itself, and takes its time: all it does is slow.
func (g *guest) until(limit time.Duration, script string) {
	g.t.Helper()
	const loop = `try() { %s
	}
	until said=$(try 2>&1); do
		if [ $SECONDS -ge %d ]; then echo "$said"; exit 1; fi
		sleep 1
	done`
	r := g.runFor(2*limit, fmt.Sprintf(loop, script, int(limit.Seconds())))
	if r.Code != 0 {
		g.t.Fatalf("not within %v: %s\n%s%s\n%s", limit, script, r.Stdout, r.Stderr, g.journal())
	}
}

// start runs a script in the background; its end arrives on the channel.
func (g *guest) start(script string) <-chan shell.Result {
	ended := make(chan shell.Result, 1)
	go func() {
		r, err := g.Run(context.Background(), shell.Command{Args: []string{"bash", "-euo", "pipefail", "-c", script}})
		if err != nil {
			r = shell.Result{Code: -1, Stderr: err.Error()}
		}
		ended <- r
	}()
	return ended
}

// reconnects is how often the mount has logged in again.
func (g *guest) reconnects() int {
	g.t.Helper()
	var s struct {
		Mounts []struct{ Targets []struct{ Reconnects int } }
	}
	if err := json.Unmarshal([]byte(g.sh("iscsifs status --json /mnt/luns")), &s); err != nil {
		g.t.Fatal(err)
	}
	if len(s.Mounts) != 1 || len(s.Mounts[0].Targets) != 1 {
		g.t.Fatalf("status shows %+v", s)
	}
	return s.Mounts[0].Targets[0].Reconnects
}

// journal is what the services of the machine, if it has any, have said last.
func (g *guest) journal() string {
	return g.run("[ -d /run/systemd/system ] || exit 0; systemctl list-jobs --no-pager; systemctl --failed --no-pager; journalctl --no-pager -n 100").Stdout
}
