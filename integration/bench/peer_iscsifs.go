package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is iscsifs, the release binary, with the LUN mounted.
type mount struct {
	program string
	point   string
	path    string
	daemon  int
}

// configuration leaves at the defaults what a user would.
const configuration = `[initiator]
name = "iqn.2026-11.org.example:bench-iscsifs"
[[target]]
portals = [%q]
iqn = %q
luns = [%d]
[cache]
size = "%dMiB"
[log]
file = %q
`

// startIscsifs mounts the LUN in dir.
func startIscsifs(ctx context.Context, program, dir string, l lun) (*mount, error) {
	m := &mount{program: program, point: filepath.Join(dir, "luns")}
	m.path = filepath.Join(m.point, fmt.Sprint("lun", l.number))
	config := filepath.Join(dir, "bench.toml")
	text := fmt.Sprintf(configuration, l.portal, l.iqn, l.number, cacheSize/mib, filepath.Join(dir, "iscsifs.log"))
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.MkdirAll(m.point, 0o755)); err != nil {
		return nil, err
	}
	_, err := output(ctx, program, "mount", config, m.point)
	if err == nil {
		err = m.findDaemon(ctx)
	}
	if err == nil {
		return m, nil
	}
	if isFUSE(m.point) { // an interrupt may come when the mount is there
		err = errors.Join(err, m.close())
	}
	return nil, err
}

// findDaemon asks for the process that serves the mount.
func (m *mount) findDaemon(ctx context.Context) error {
	out, err := output(ctx, m.program, "status", "--json", m.point)
	if err != nil {
		return err
	}
	var status struct{ Mounts []struct{ PID int } }
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Mounts) != 1 {
		return fmt.Errorf("iscsifs status --json: not one mount (%v): %q", err, out)
	}
	m.daemon = status.Mounts[0].PID
	return nil
}

func (m *mount) name() string { return ours }
func (m *mount) file() string { return m.path }
func (m *mount) pid() int     { return m.daemon }

func (m *mount) settle(ctx context.Context) error {
	_, err := output(ctx, m.program, "sync", m.point)
	return err
}

// close unmounts as a user would. Where that fails the daemon is killed: the
// LUN is about to go.
func (m *mount) close() error {
	_, err := output(context.Background(), m.program, "umount", "--timeout", patience.String(), m.point)
	if err != nil {
		if m.daemon != 0 {
			unix.Kill(m.daemon, unix.SIGKILL)
		}
		detach(m.point)
	}
	return err
}

// iscsifsVersion is what a binary says of itself.
func iscsifsVersion(ctx context.Context, program string) (string, error) {
	out, err := output(ctx, program, "version")
	return strings.TrimSpace(out), err
}
