package vm_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/iscsifs/iscsifs/integration/proxy"
	"github.com/iscsifs/iscsifs/integration/tgt"
	"github.com/iscsifs/iscsifs/integration/vm"
)

const mib = 1 << 20

// nas is a tgtd on the host with one LUN, LUN 1, behind a proxy that can cut what
// the machine has to it.
type nas struct {
	t       *testing.T
	daemon  *tgt.Daemon
	target  *tgt.Target
	wire    *proxy.Proxy
	backing string
}

func newNAS(t *testing.T, size int64, l tgt.LUN) *nas {
	t.Helper()
	d, err := tgt.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	n := &nas{t: t, daemon: d, backing: filepath.Join(t.TempDir(), "lun.img")}
	n.resize(size)
	if n.target, err = d.AddTarget("iqn.2026-11.org.example.nas:vm", nil); err != nil {
		t.Fatal(err)
	}
	l.Path = n.backing
	if _, err := n.target.AddLUN(l); err != nil {
		t.Fatal(err)
	}
	if n.wire, err = proxy.Start(d.Portal(), proxy.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.wire.Close)
	return n
}

// resize changes the size of the LUN, which tgtd sees when it starts.
func (n *nas) resize(size int64) {
	n.t.Helper()
	f, err := os.OpenFile(n.backing, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		n.t.Fatal(err)
	}
}

// cut breaks the connections, of which there must be one at least.
func (n *nas) cut() {
	n.t.Helper()
	if n.wire.Cut() == 0 {
		n.t.Error("there was no connection to cut")
	}
}

// die ends tgtd as a power failure does; rise starts it again.
func (n *nas) die() { n.daemon.Kill() }

func (n *nas) rise() {
	n.t.Helper()
	if err := n.daemon.Restart(); err != nil {
		n.t.Fatal(err)
	}
}

// config is /etc/iscsifs/nas.toml for the machine, with more settings for
// [session], a line each.
func (n *nas) config(session string) vm.File { return n.configOf(n.wire.Addr(), session) }

// configOf is config with another portal, an address of the host.
func (n *nas) configOf(portal, session string) vm.File {
	_, port, _ := net.SplitHostPort(portal)
	return vm.File{Path: "/etc/iscsifs/nas.toml", Mode: 0o600, Text: fmt.Sprintf(`
[initiator]
name = "iqn.2026-11.org.example:vm"

[[target]]
portals = ["%s:%s"]
iqn     = "%s"

[session]
%s

[cache]
size = "64MiB"

[mount]
point = "/mnt/luns"

[log]
file   = "/run/iscsifs.log"
format = "console"
`, vm.Host, port, n.target.IQN, session)}
}

// wantNoSession checks that the machine has logged out.
func (n *nas) wantNoSession() {
	n.t.Helper()
	if names, err := n.target.Sessions(); err != nil || len(names) > 0 {
		n.t.Errorf("sessions left at the target: %v %v", names, err)
	}
}
