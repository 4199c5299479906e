package integration

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestForeground runs the mount as systemd does: READY=1 when the files are
// there, STOPPING=1 when asked to end, exit code 0.
func TestForeground(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	notify := listenNotify(t, h.path("notify"))
	point := h.mountpoint()
	c := s.config()
	c.noLog = true
	cmd, cancel := h.command(program, "mount", "--foreground", h.writeConfig(c), point)
	defer cancel()
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+h.path("notify"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitNotify(t, notify, "READY=1")
	if h.sha256(point+"/lun1") != h.sha256(s.backing[1]) {
		t.Error("READY=1 came before the files")
	}
	cmd.Process.Signal(unix.SIGTERM)
	awaitNotify(t, notify, "STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, stderr.String())
	}
	if stderr.Len() == 0 {
		t.Error("no log on stderr")
	}
}

func listenNotify(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// awaitNotify reads messages until one has the line.
func awaitNotify(t *testing.T, conn *net.UnixConn, line string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	message := make([]byte, 4096)
	for {
		n, err := conn.Read(message)
		if err != nil {
			t.Fatalf("no %s: %v", line, err)
		}
		for _, l := range strings.Split(string(message[:n]), "\n") {
			if l == line {
				return
			}
		}
	}
}
