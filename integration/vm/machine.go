package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/vm/shell"
)

// Host is the address at which a machine sees the host that runs it.
const Host = "10.0.2.2"

// Config says what to boot.
type Config struct {
	Dir   string // for the archive, the console's log; exists
	Guest string // the program built from the package guest
	Files []File
	Init  string // process 1 and its arguments, divided by commas; "" = Guest's own, without systemd
}

// Machine is a virtual machine that runs. It ends with the process that started
// it, whatever happens.
type Machine struct {
	*shell.Client
	cmd     *exec.Cmd
	console string
	exited  chan struct{} // closed by wait, which owns cmd.Wait
}

// guestInit is the guest as process 1.
const guestInit = "/usr/local/sbin/guest,init"

// Boot starts a machine and returns when it obeys. Close ends it.
func Boot(ctx context.Context, c Config) (*Machine, error) {
	m, err := start(c)
	if err != nil {
		return nil, err
	}
	if _, err := m.Run(ctx, shell.Command{Args: []string{"true"}}); err != nil {
		m.Close()
		return nil, fmt.Errorf("the virtual machine does not start: %w; its console:\n%s", err, m.Console())
	}
	return m, nil
}

func start(c Config) (*Machine, error) {
	img, err := findImage()
	if err != nil {
		return nil, err
	}
	early, err := img.early()
	if err != nil {
		return nil, err
	}
	archive := filepath.Join(c.Dir, "initramfs")
	if err := initramfs(archive, c.Guest, early, c.Files); err != nil {
		return nil, err
	}
	here, there, err := port()
	if err != nil {
		return nil, err
	}
	defer there.Close()
	m := &Machine{Client: shell.NewClient(here), console: filepath.Join(c.Dir, "console"), exited: make(chan struct{})}
	m.cmd = exec.Command("qemu-system-x86_64", arguments(c, img, archive, m.console)...)
	m.cmd.ExtraFiles = []*os.File{there}
	m.cmd.Stderr = os.Stderr
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		here.Close()
		return nil, err
	}
	go m.wait()
	return m, nil
}

// arguments are those of QEMU: a serial port for the console, one for the guest,
// a network card, and the root file system, which is not changed.
func arguments(c Config, img image, archive, console string) []string {
	init := c.Init
	if init == "" {
		init = guestInit
	}
	return []string{
		"-accel", "tcg", "-cpu", "qemu64,+rdrand", "-m", "512",
		"-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", img.kernel(), "-initrd", archive,
		"-append", "console=ttyS0 panic=-1 quiet loglevel=6 net.ifnames=0 module_blacklist=kvm_amd,kvm,ata_piix,powernow_k8,acpi_cpufreq guest.init=" + init,
		"-chardev", "file,id=console,path=" + console, "-serial", "chardev:console",
		"-drive", "file=" + img.root() + ",format=raw,if=virtio,snapshot=on",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=guest,fd=3", "-device", "virtserialport,chardev=guest,name=guest",
	}
}

// port returns the two ends of a connection, one for a child process.
func port() (net.Conn, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "guest"), os.NewFile(uintptr(pair[1]), "guest")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// wait reaps QEMU; it ends when QEMU does.
func (m *Machine) wait() {
	m.cmd.Wait()
	close(m.exited)
}

// ErrRuns tells that a machine has not turned itself off.
var ErrRuns = errors.New("the machine still runs")

// Await returns when the machine has turned itself off.
func (m *Machine) Await(limit time.Duration) error {
	select {
	case <-m.exited:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%w after %v; its console:\n%s", ErrRuns, limit, m.Console())
	}
}

// Close ends the machine as a power failure does.
func (m *Machine) Close() error {
	m.cmd.Process.Kill()
	<-m.exited
	return m.Client.Close()
}

// Console is what the machine has written to its console.
func (m *Machine) Console() string {
	text, _ := os.ReadFile(m.console)
	return strings.ReplaceAll(string(text), "\r", "")
}
