package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// memoryGroup is a control group whose processes share little memory.
type memoryGroup struct {
	t   *testing.T
	dir string
}

// The control groups of memory, of version 1 and of version 2, and their files.
const (
	memoryGroups1 = "/sys/fs/cgroup/memory"
	memoryGroups2 = "/sys/fs/cgroup"
)

func hasMemoryGroups1() bool {
	_, err := os.Stat(memoryGroups1)
	return err == nil
}

// newMemoryGroup makes a group; the test's end removes it.
func newMemoryGroup(t *testing.T, limit int64) memoryGroup {
	t.Helper()
	root, file := memoryGroups2, "memory.max"
	if hasMemoryGroups1() {
		root, file = memoryGroups1, "memory.limit_in_bytes"
	} else if has, _ := os.ReadFile(root + "/cgroup.subtree_control"); !strings.Contains(string(has), "memory") {
		skip(t, "needs control groups for memory")
	}
	g := memoryGroup{t, filepath.Join(root, runPrefix+strconv.Itoa(os.Getpid()))}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.remove)
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(itoa(limit)), 0); err != nil {
		t.Fatal(err)
	}
	return g
}

// join is the path to which a process writes its id to join.
func (g memoryGroup) join() string { return filepath.Join(g.dir, "cgroup.procs") }

// reclaims is how often the group was at its limit.
func (g memoryGroup) reclaims() int64 {
	g.t.Helper()
	if count, err := os.ReadFile(filepath.Join(g.dir, "memory.failcnt")); err == nil {
		n, _ := strconv.ParseInt(strings.TrimSpace(string(count)), 10, 64)
		return n
	}
	events, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		g.t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(events), "\nmax ")
	n, _ := strconv.ParseInt(strings.TrimSpace(strings.SplitN(line, "\n", 2)[0]), 10, 64)
	return n
}

// remove waits for the end of the last process: the kernel counts it a moment longer.
func (g memoryGroup) remove() {
	if !eventually(patience, func() bool { return os.Remove(g.dir) == nil }) {
		g.t.Errorf("left behind: %s", g.dir)
	}
}
