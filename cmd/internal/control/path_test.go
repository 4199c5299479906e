package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// What a dead daemon leaves goes; the socket of one that lives stays.
func TestRemoveDead(t *testing.T) {
	point := filepath.Join(t.TempDir(), "luns")
	path, err := Path(point)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	l.SetUnlinkOnClose(false)
	RemoveDead(t.Context(), point, os.Geteuid())
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a live socket: %v", err)
	}
	l.Close()
	RemoveDead(t.Context(), point, os.Geteuid())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dead one: %v", err)
	}
}
