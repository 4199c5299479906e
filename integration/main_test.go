package integration

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// runDir has below it everything that this test run creates.
var runDir string

// builtProgram returns the path of the program under test, built at the first call.
var builtProgram = sync.OnceValues(buildBinary)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	var err error
	if runDir, err = os.MkdirTemp("", "iscsifs-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Chmod(runDir, 0o755) // the unprivileged user passes through
	defer os.RemoveAll(runDir)
	defer sweep(runDir)
	go sweepOnInterrupt()
	return m.Run()
}

// buildBinary compiles the program, under the race detector if the tests are.
func buildBinary() (string, error) {
	path := filepath.Join(runDir, "iscsifs")
	args := []string{"build", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "../cmd/iscsifs")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build cmd/iscsifs: %w\n%s", err, out)
	}
	return path, nil
}

// sweepOnInterrupt removes mounts, loop devices and daemons when the test run
// is interrupted: no t.Cleanup runs then. It lives as long as the process.
func sweepOnInterrupt() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	<-interrupted
	sweep(runDir)
	os.RemoveAll(runDir)
	os.Exit(1)
}
