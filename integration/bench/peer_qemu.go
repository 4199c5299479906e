package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// qemuExport is qemu-storage-daemon with a FUSE export of an iSCSI LUN. Its
// mountpoint is the file itself.
type qemuExport struct {
	path    string
	process *child
}

// startQemu exports the LUN as a file in dir.
func startQemu(ctx context.Context, dir string, l lun) (*qemuExport, error) {
	q := &qemuExport{path: filepath.Join(dir, "qemu")}
	if err := os.WriteFile(q.path, nil, 0o600); err != nil {
		return nil, err
	}
	var err error
	q.process, err = start(exec.Command(qemu, q.args(l)...), syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	if err := awaitMount(ctx, q.path, q.process.exited); err != nil {
		detach(q.path)
		return nil, q.process.failure(err)
	}
	return q, nil
}

func (q *qemuExport) args(l lun) []string {
	return []string{
		"--blockdev", fmt.Sprintf("driver=iscsi,node-name=lun,transport=tcp,portal=%s,target=%s,lun=%d,"+
			"initiator-name=iqn.2026-11.org.example:bench-qemu,cache.direct=on", l.portal, l.iqn, l.number),
		"--export", "type=fuse,id=export,node-name=lun,writable=on,mountpoint=" + q.path,
	}
}

func (q *qemuExport) name() string { return qemu }
func (q *qemuExport) file() string { return q.path }
func (q *qemuExport) pid() int     { return q.process.cmd.Process.Pid }

// settle has nothing to wait for: each write is on its way when it is answered.
func (q *qemuExport) settle(context.Context) error { return nil }

// close lets it unmount by itself, which it does on SIGTERM.
func (q *qemuExport) close() error {
	q.process.cmd.Process.Signal(syscall.SIGTERM)
	err := q.process.end()
	detach(q.path)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", qemu, err, &q.process.said)
	}
	return os.Remove(q.path)
}

// qemuVersion is the first line of what it says of itself.
func qemuVersion(ctx context.Context) (string, error) {
	out, err := output(ctx, qemu, "--version")
	line, _, _ := strings.Cut(out, "\n")
	return line, err
}
