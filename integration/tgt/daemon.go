// Package tgt runs tgtd, the daemon of the Linux target framework (Debian's
// package tgt), as a private process: its own portal on a free loopback port,
// its own control socket in a temporary directory, nothing left running. It is
// the real target that the integration tests and the benchmark mount from.
//
// tgt's LUN 0 is always its controller (device type 0Ch); disks are LUN 1 and up.
package tgt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/iscsifs/iscsifs/integration/port"
)

// Daemon is a running tgtd. Its methods are for one goroutine at a time.
type Daemon struct {
	dir     string     // of the control socket; short, as a socket's name must be
	port    *port.Port // kept while it is killed, too
	cmd     *exec.Cmd
	log     *bytes.Buffer // tgtd's output; read only after the process is reaped
	exited  chan struct{} // closed by wait, which owns cmd.Wait
	done    [][]string    // every tgtadm command that changed something, for Restart
	targets int
}

const startTimeout = time.Minute

// Start runs a tgtd; Close ends it. It needs root.
func Start() (*Daemon, error) {
	dir, err := os.MkdirTemp("", "tgt-")
	if err != nil {
		return nil, err
	}
	d := &Daemon{dir: dir}
	if d.port, err = port.Keep(0); err == nil {
		if err = d.start(); err == nil {
			return d, nil
		}
		d.port.Close()
	}
	os.RemoveAll(dir)
	return nil, err
}

// Portal is the address that tgtd listens on, as host:port.
func (d *Daemon) Portal() string { return d.port.Addr() }

// Kill ends tgtd as a power failure would: no connection is closed in order.
// (tgtd ignores SIGTERM while it has targets.)
func (d *Daemon) Kill() {
	d.cmd.Process.Kill()
	<-d.exited
}

// Close kills tgtd for good.
func (d *Daemon) Close() {
	d.Kill()
	d.port.Close()
	os.RemoveAll(d.dir)
}

// Restart starts a killed tgtd again on the same portal and with the same
// targets, LUNs and accounts.
func (d *Daemon) Restart() error {
	if err := d.start(); err != nil {
		return err
	}
	for _, args := range d.done {
		if _, err := d.tgtadm(args...); err != nil {
			return err
		}
	}
	return nil
}

// start runs tgtd and returns once its portal and control socket answer.
func (d *Daemon) start() error {
	d.log = new(bytes.Buffer)
	d.cmd = exec.Command("tgtd", "-f", "--iscsi", "portal="+d.Portal())
	d.cmd.Env = d.environ()
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	// It dies with us, but not of the terminal's Ctrl-C: what uses it is undone first.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("tgtd: %w", err)
	}
	d.exited = make(chan struct{})
	go d.wait()
	if err := d.awaitReady(); err != nil {
		d.Kill()
		return fmt.Errorf("tgtd on %s: %w: %s", d.Portal(), err, d.log)
	}
	return nil
}

// wait reaps tgtd; it ends when tgtd does.
func (d *Daemon) wait() {
	d.cmd.Wait()
	close(d.exited)
}

func (d *Daemon) awaitReady() error {
	deadline := time.Now().Add(startTimeout)
	for time.Now().Before(deadline) {
		select {
		case <-d.exited:
			return errors.New("exited")
		case <-time.After(10 * time.Millisecond):
		}
		if !d.listens() {
			continue
		}
		if _, err := d.tgtadm("--op", "show", "--mode", "sys"); err == nil {
			return nil
		}
	}
	return errors.New("does not answer (is the port taken?)")
}

// listens tells whether it is our tgtd, not a stranger, that has the port:
// tgtd goes on without a portal when it cannot bind.
func (d *Daemon) listens() bool {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.cmd.Process.Pid))
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	const listen = "0A"
	for _, line := range strings.Split(string(table), "\n") {
		f := strings.Fields(line)
		if len(f) < 10 || f[1] != fmt.Sprintf("0100007F:%04X", d.port.Number()) || f[3] != listen {
			continue
		}
		for _, link := range links {
			if to, _ := os.Readlink(link); to == "socket:["+f[9]+"]" {
				return true
			}
		}
	}
	return false
}

func (d *Daemon) environ() []string {
	return append(os.Environ(), "TGT_IPC_SOCKET="+filepath.Join(d.dir, "tgt"))
}

// change runs a tgtadm command and keeps it for Restart.
func (d *Daemon) change(args ...string) error {
	if _, err := d.tgtadm(args...); err != nil {
		return err
	}
	d.done = append(d.done, args)
	return nil
}

// tgtadm runs one command of tgt's administration tool and returns its output.
func (d *Daemon) tgtadm(args ...string) (string, error) {
	cmd := exec.Command("tgtadm", append([]string{"--lld", "iscsi"}, args...)...)
	cmd.Env = d.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tgtadm %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
