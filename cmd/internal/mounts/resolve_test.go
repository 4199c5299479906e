package mounts

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/fusetest"
)

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for link, target := range map[string]string{
		"abs": dir + "/real/point", "rel": "real/point", "up": "real/../real/./point", "chain": "abs", "loop": "loop", "here": ".",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("real/point", 0o700); err != nil {
		t.Fatal(err)
	}
	point := dir + "/real/point"
	for path, want := range map[string]string{
		"real/point": point, "./real//point/": point, point: point, "abs": point, "rel": point, "up": point,
		"chain": point, "chain/..": dir + "/real", "here/here/rel": point, "/": "/", "/..": "/", ".": dir,
	} {
		if got, err := Resolve(path); got != want || err != nil {
			t.Errorf("%s is %s (%v), want %s", path, got, err, want)
		}
	}
	if _, err := Resolve("loop"); !errors.Is(err, errLoop) {
		t.Errorf("a link to itself: %v", err)
	}
	if _, err := Resolve(""); err == nil {
		t.Error("an empty path is resolved")
	}
}

// TestResolveAsksNoMount: nothing at or below a mount whose daemon hangs is looked at.
func TestResolveAsksNoMount(t *testing.T) {
	s := fusetest.Start(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(s.Point, link); err != nil {
		t.Fatal(err)
	}
	s.Freeze()
	done := make(chan string, 1)
	go func() {
		path, _ := Resolve(link + "/below/..//lun0")
		done <- path
	}()
	select {
	case path := <-done:
		if path != s.Point+"/lun0" {
			t.Errorf("resolved to %s", path)
		}
	case <-time.After(5 * time.Second):
		s.Thaw()
		t.Fatal("it waits for the daemon")
	}
}

// TestResolveFromWithin: the working directory may be in a mount that hangs.
func TestResolveFromWithin(t *testing.T) {
	s := fusetest.Start(t)
	t.Chdir(s.Point)
	s.Kill()
	if path, err := Resolve("."); path != s.Point || err != nil {
		t.Errorf("resolved to %q: %v", path, err)
	}
	if err := unix.Chdir("/"); err != nil { // so that it can be unmounted
		t.Fatal(err)
	}
}
