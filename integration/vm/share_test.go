package vm_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/vm"
	"github.com/iscsifs/iscsifs/integration/vm/shell"
)

// shared is a machine without systemd, which tests use one after the other, none of
// them in parallel. It is nil before the first, and after one that has failed or has
// turned it off. TestMain ends it.
var shared *vm.Machine

// share returns the machine that the tests without systemd use, as it is after a boot:
// it boots one where there is none. The test must leave it like that.
func share(t *testing.T, config vm.File) *guest {
	t.Helper()
	if shared == nil {
		dir, err := os.MkdirTemp(buildDir, "machine-")
		if err != nil {
			t.Fatal(err)
		}
		shared = start(t, dir, "", withoutUdev)
	}
	g := &guest{t, shared}
	t.Cleanup(g.giveBack)
	g.sh("dmesg --clear; rm -f /run/written /run/stop")
	g.put(config)
	return g
}

// giveBack ends a machine on which a test has failed.
func (g *guest) giveBack() {
	if g.Machine != shared {
		return // turned off
	}
	defer func() {
		if g.t.Failed() {
			end(g.t, shared)
			shared = nil
		}
	}()
	if !g.t.Failed() {
		g.wantNothingLeft()
	}
}

// wantNothingLeft checks that a test has freed what it has used.
func (g *guest) wantNothingLeft() {
	g.t.Helper()
	const left = "pgrep -ax iscsifs; losetup --list; dmsetup ls | grep -v '^No devices'; findmnt -nt ext4,fuse.iscsifs -o TARGET | grep -v '^/$'"
	if r := g.run("{ " + left + "; } || true"); r.Stdout+r.Stderr != "" {
		g.t.Errorf("the test leaves in the machine:\n%s%s", r.Stdout, r.Stderr)
	}
}

// put writes a file that only root may read.
func (g *guest) put(f vm.File) {
	g.t.Helper()
	const write = `umask 077; mkdir -p "${1%/*}"; cat >"$1"`
	c := shell.Command{Args: []string{"bash", "-euc", write, "bash", f.Path}, Stdin: []byte(f.Text), Limit: commandLimit}
	if r, err := g.Run(context.Background(), c); err != nil || r.Code != 0 {
		g.t.Fatalf("%s: %v %s", f.Path, err, r.Stderr)
	}
}

// off turns the shared machine off; nothing on it may be lost by that.
func (g *guest) off() {
	g.t.Helper()
	g.sh(`sync; (sleep 0.2; poweroff -ff) >/dev/null 2>&1 &`)
	if err := g.Await(30 * time.Second); err != nil {
		g.t.Fatal(err)
	}
	end(g.t, shared)
	shared = nil
}
