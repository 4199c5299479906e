package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
)

// TestMemoryFile: the file in memory reads what was written, in more than one
// request and up to the file's end, and is gone when it was closed.
func TestMemoryFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root mounts")
	}
	const size = memoryBytes + mib
	m, err := startMemory(context.Background(), t.TempDir(), size)
	if err != nil {
		t.Fatal(err)
	}
	checkMemoryFile(t, m.file(), size)
	if err := m.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(m.file()); !os.IsNotExist(err) {
		t.Errorf("after close: %v", err)
	}
	if left, _ := filepath.Glob(m.point + "/*"); len(left) > 0 {
		t.Errorf("after close: %q", left)
	}
}

func checkMemoryFile(t *testing.T, path string, size int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Errorf("size: %v, %v, want %d", info, err, size)
	}
	sent := make([]byte, 2*mib) // across the place where offsets wrap
	rand.Read(sent)
	got := make([]byte, len(sent)+1)
	off := size - int64(len(sent))
	if _, err := f.WriteAt(sent, off); err != nil {
		t.Error(err)
	}
	if n, _ := f.ReadAt(got, off); n != len(sent) || !bytes.Equal(got[:n], sent) {
		t.Errorf("read %d bytes, or others than the %d written", n, len(sent))
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
}
