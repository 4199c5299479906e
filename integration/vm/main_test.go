package vm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// buildDir has the programs that the tests put into their machines.
var buildDir string

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	var err error
	if buildDir, err = os.MkdirTemp("", "iscsifs-vm-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(buildDir)
	defer func() {
		if shared != nil {
			shared.Close()
		}
	}()
	return m.Run()
}

// programs builds, once, iscsifs as its users get it, and the guest.
var programs = sync.OnceValues(func() (built struct{ iscsifs, guest string }, err error) {
	if built.iscsifs, err = build("../../cmd/iscsifs"); err == nil {
		built.guest, err = build("./guest")
	}
	return built, err
})

func build(pkg string) (string, error) {
	path := filepath.Join(buildDir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}
