package integration

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// runDir has below it everything that this test run creates.
var runDir string

// runPrefix begins the name of each run's directory; the process id follows.
const runPrefix = "iscsifs-test-"

// builtProgram returns the path of the program under test, built as the tests are
// at the first call; releasedProgram that of the program as its users get it.
var (
	builtProgram    = sync.OnceValues(func() (string, error) { return buildBinary("iscsifs", raceDetector) })
	releasedProgram = sync.OnceValues(func() (string, error) { return buildBinary("released/iscsifs", false) })
)

func TestMain(m *testing.M) {
	if os.Getenv(exerciserVar) != "" {
		if err := exercise(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	sweepDeadRuns()
	var err error
	if runDir, err = os.MkdirTemp("", fmt.Sprintf("%s%d-", runPrefix, os.Getpid())); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Chmod(runDir, 0o755) // the unprivileged user passes through
	defer os.RemoveAll(runDir)
	defer sweep(runDir)
	go sweepOnInterrupt()
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0) // `go test` killed: nobody waits for us
	return m.Run()
}

// buildBinary compiles the program, under the race detector or as `make build` does.
func buildBinary(name string, race bool) (string, error) {
	path := filepath.Join(runDir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "../cmd/iscsifs")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if race {
		cmd = exec.Command("go", "build", "-race", "-o", path, "../cmd/iscsifs")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build cmd/iscsifs: %w\n%s", err, out)
	}
	return path, nil
}

// sweepDeadRuns removes what earlier runs left that could not clear up: killed,
// or out of time.
func sweepDeadRuns() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), runPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), runPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && !running(n) {
			sweep(dir)
			os.RemoveAll(dir)
		}
	}
}

// sweepOnInterrupt removes mounts, loop devices and daemons when the test run
// is interrupted: no t.Cleanup runs then. It lives as long as the process.
// SIGPIPE is no interrupt: who asks for it gets one for every broken socket.
func sweepOnInterrupt() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	<-interrupted
	sweep(runDir)
	os.RemoveAll(runDir)
	os.Exit(1)
}
