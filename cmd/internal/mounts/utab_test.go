package mounts

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// others are lines of other mounts, alike in part.
const others = "SRC=/dev/sda1 TARGET=/mnt/luns2 ROOT=/ OPTS=user=me\nSRC=nas:/x TARGET=/mnt ROOT=/ ATTRS=TARGET=/mnt/luns/x\n"

func TestUserTable(t *testing.T) {
	table := userTable(filepath.Join(t.TempDir(), "mount", "utab"))
	expect := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(string(table)); err != nil || string(got) != want {
			t.Errorf("the table is %q (%v), want %q", got, err, want)
		}
	}
	m := Mount{Point: `/mnt/my\ luns`, Source: "/etc/a\tb\n.toml"}
	line := `SRC=/etc/a\011b\012.toml TARGET=/mnt/my\134\040luns ROOT=/ OPTS=_netdev` + "\n"
	for range 2 {
		if err := table.replace(m.Point, m.tableLine()); err != nil {
			t.Fatal(err)
		}
		expect(line)
	}
	if err := os.WriteFile(string(table), []byte(others+line+others), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := table.replace(m.Point, ""); err != nil {
		t.Fatal(err)
	}
	expect(others + others)
	if left, _ := os.ReadDir(filepath.Dir(string(table))); len(left) != 2 {
		t.Errorf("beside the table and its lock there is more: %v", left)
	}
}

// Who has the lock is waited for.
func TestUserTableLock(t *testing.T) {
	table := userTable(filepath.Join(t.TempDir(), "utab"))
	lock, err := table.lock()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- table.replace("/mnt/luns", "line\n") }()
	select {
	case err := <-done:
		t.Errorf("changed beside a lock: %v", err)
	case <-time.After(3 * tablePoll):
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	_ = lock.Close()
}
