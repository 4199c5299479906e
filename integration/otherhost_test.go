package integration

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/proxy"
)

// network is a network namespace with a loopback device and nothing else. What
// runs in it is another host to everything that knows hosts by their sockets.
type network struct{ namespace *os.File }

// path is a name of the namespace for nsenter(1).
func (n *network) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.namespace.Fd()) }

// newOtherHost is newHost in a network of its own; portal is the address there that
// leads to a portal here.
func newOtherHost(t *testing.T, to string) (h *host, portal string) {
	t.Helper()
	needRoot(t)
	needTools(t, "nsenter")
	h = newHost(t)
	h.network = &network{}
	listener, err := h.network.make()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.network.namespace.Close() })
	return h, passOn(t, to, proxy.Options{Listener: listener}).Addr()
}

// make unshares the namespace, listens in it and comes back. The thread is this
// goroutine's meanwhile; if it does not come back, it ends with the test.
func (n *network) make() (net.Listener, error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer home.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	listener, err := n.listen()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return nil, back
	}
	runtime.UnlockOSThread()
	return listener, err
}

// listen is for a thread in the namespace.
func (n *network) listen() (_ net.Listener, err error) {
	if n.namespace, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return nil, err
	}
	if err := loopbackUp(); err != nil {
		return nil, err
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
