// Command guest is what the virtual machine of the tests runs. As /init of the
// initramfs it mounts the root file system, adds the test's files to it and hands
// over to the init that the kernel's command line names (guest.init=): itself, or
// systemd. As `guest serve` it runs the commands that the test sends over a port of
// virtio's serial device. `guest network` gives the network card its address.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/vm/shell"
)

const (
	installed = "/usr/local/sbin/guest" // where the initramfs puts this program
	portName  = "guest"                 // of the serial port, as the test names it
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("guest: ")
	err := do(os.Args)
	if err != nil {
		log.Print(err)
	}
	if os.Getpid() == 1 {
		unix.Sync()
		unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	if err != nil {
		os.Exit(1)
	}
}

func do(args []string) error {
	switch {
	case filepath.Base(args[0]) == "init" && os.Getpid() == 1:
		return enter("/root")
	case len(args) == 2 && args[1] == "init":
		return stayInit()
	case len(args) == 2 && args[1] == "network":
		return network()
	case len(args) == 2 && args[1] == "serve":
		return serve()
	default:
		return fmt.Errorf("unknown arguments %q", args)
	}
}

func serve() error {
	port, err := openPort()
	if err != nil {
		return err
	}
	defer port.Close()
	return shell.Serve(port)
}

// openPort finds the serial port by its name, without udev.
func openPort() (*os.File, error) {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, file := range names {
		name, _ := os.ReadFile(file)
		if strings.TrimSpace(string(name)) == portName {
			return os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(file))), os.O_RDWR, 0)
		}
	}
	return nil, fmt.Errorf("no serial port %q", portName)
}
