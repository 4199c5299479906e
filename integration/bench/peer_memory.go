package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// memoryFile is a process that presents memory as a file (memoryfs.go). It is
// this program again, so that it has a Go runtime and processor time of its
// own, as a daemon has.
type memoryFile struct {
	point   string
	stdin   io.Closer // its lifeline: closed, it unmounts and ends
	process *child
}

// These tell the process what it is, where it mounts and how large its file is.
const (
	memoryPoint = "_ISCSIFS_BENCH_POINT"
	memorySize  = "_ISCSIFS_BENCH_SIZE"
)

// serveMemoryIfAsked makes the serving process of this one, if it is to be that.
func serveMemoryIfAsked() {
	point := os.Getenv(memoryPoint)
	if point == "" {
		return
	}
	size, err := strconv.ParseInt(os.Getenv(memorySize), 10, 64)
	if err == nil {
		err = serveMemory(point, size, os.Stdin)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// startMemory presents a file of size bytes below dir.
func startMemory(ctx context.Context, dir string, size int64) (*memoryFile, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &memoryFile{point: filepath.Join(dir, "memory")}
	if err := os.MkdirAll(m.point, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), memoryPoint+"="+m.point, memorySize+"="+strconv.FormatInt(size, 10))
	if m.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if m.process, err = start(cmd, 0); err != nil { // killed or not, we close its stdin
		return nil, err
	}
	if err := awaitMount(ctx, m.point, m.process.exited); err != nil {
		detach(m.point)
		return nil, m.process.failure(err)
	}
	return m, nil
}

func (m *memoryFile) name() string { return memory }
func (m *memoryFile) file() string { return filepath.Join(m.point, memoryName) }
func (m *memoryFile) pid() int     { return m.process.cmd.Process.Pid }

// settle has nothing to wait for.
func (m *memoryFile) settle(context.Context) error { return nil }

func (m *memoryFile) close() error {
	m.stdin.Close()
	err := m.process.end()
	detach(m.point)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", memory, err, &m.process.said)
	}
	return nil
}
