package control

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

// stale leaves a socket as a daemon does that was killed.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// A daemon that starts takes away what killed ones have left, and nothing else.
func TestListenRemovesStale(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	live, err := Listen(in(fileName("/mnt/live")), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	stale(t, in(fileName("/mnt/dead")))
	stale(t, in("another.sock"))
	kept := []string{fileName("/mnt/live"), fileName("/mnt/new"), fileName("/mnt/file"), "another.sock"}
	if err := os.WriteFile(in(fileName("/mnt/file")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		const nobody = 65534
		name := fileName("/mnt/nobody's")
		stale(t, in(name))
		if err := os.Lchown(in(name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, name)
	}
	fresh, err := Listen(in(fileName("/mnt/new")), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if _, err := os.Lstat(in(fileName("/mnt/dead"))); !os.IsNotExist(err) {
		t.Errorf("the socket of a killed daemon: %v", err)
	}
	for _, name := range kept {
		if _, err := os.Lstat(in(name)); err != nil {
			t.Errorf("gone: %v", err)
		}
	}
	conn, err := net.Dial("unix", in(fileName("/mnt/live")))
	if err != nil {
		t.Fatalf("the living daemon does not listen any more: %v", err)
	}
	conn.Close()
}
