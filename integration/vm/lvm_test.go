package vm_test

import (
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/tgt"
	"github.com/iscsifs/iscsifs/integration/vm"
)

// withoutUdev is LVM's configuration where no udevd makes nodes and answers.
var withoutUdev = vm.File{Path: "/etc/lvm/lvm.conf", Text: `
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
devices    { obtain_device_list_from_udev = 0 external_device_info_source = "none" }
backup     { backup = 0 archive = 0 }
`}

// Commands of an administrator, in their order.
const (
	mountLUNs = `mkdir -p /mnt/luns /mnt/data; iscsifs mount /etc/iscsifs/nas.toml`
	attach    = `losetup --direct-io=on -f --show /mnt/luns/lun1`
	create    = `pvcreate -q /dev/loop0 && vgcreate -q vg /dev/loop0 && lvcreate -q -n data -l 100%FREE vg && vgchange -ay vg && mkfs.ext4 -q /dev/mapper/vg-data`
	mountData = `mount -o acl,rw /dev/mapper/vg-data /mnt/data`
	checkData = `e2fsck -fn /dev/mapper/vg-data`
	// writer writes files one after the other, each durable, until it is told to stop.
	writer = `i=0; while ! [ -e /run/stop ]; do
		i=$((i+1)); dd if=/dev/urandom of=/mnt/data/f$i bs=64k count=8 conv=fsync status=none; echo $i >/run/written
		[ $i -lt 200 ] || rm /mnt/data/f$((i-199))
	done`
	sums = `cd /mnt/data && sha256sum f*`
)

// TestLVM does with a LUN what one does with a disk, cuts the connection while its
// volume group is in use, and finds the data after a new boot.
func TestLVM(t *testing.T) {
	need(t)
	n := newNAS(t, 512*mib, tgt.LUN{})
	g := share(t, n.config(""))
	g.sh(mountLUNs)
	if loop := strings.TrimSpace(g.sh(attach)); loop != "/dev/loop0" {
		t.Fatalf("the loop device is %s", loop)
	}
	g.sh(create)
	g.sh(mountData)
	g.cutWhileWriting(n)
	written := g.sh(sums)
	g.freeAsTold()
	g.sh("iscsifs umount /mnt/luns")
	g.wantNoErrors()
	n.wantNoSession()
	g.off()

	g = share(t, n.config(""))
	g.sh(mountLUNs + "; " + attach)
	g.sh("vgchange -ay vg; " + checkData)
	g.sh(mountData)
	if found := g.sh(sums); found != written {
		t.Errorf("after the boot there is\n%s, written was\n%s", found, written)
	}
	g.sh("umount /mnt/data; vgchange -an vg; losetup -d /dev/loop0; iscsifs umount /mnt/luns")
	g.wantNoErrors()
	n.wantNoSession()
}

// cutWhileWriting cuts the connection while files are written, which nobody
// notices but status.
func (g *guest) cutWhileWriting(n *nas) {
	g.t.Helper()
	const cuts = 3
	writing := g.start(writer)
	for range cuts {
		g.progress()
		n.cut()
	}
	g.progress()
	g.sh("touch /run/stop")
	if r := <-writing; r.Code != 0 {
		g.t.Fatalf("the writer: exit code %d: %s", r.Code, r.Stderr)
	}
	if again := g.reconnects(); again < cuts {
		g.t.Errorf("%d reconnects, want %d", again, cuts)
	}
}

// progress returns when the writer has written two more files.
func (g *guest) progress() {
	g.t.Helper()
	g.until(commandLimit, `[ -e /run/written ]`)
	g.sh(`from=$(cat /run/written); until [ "$(cat /run/written)" -ge $((from+2)) ]; do sleep 0.05; done`)
}

// freeAsTold lets iscsifs umount say what keeps it from it, and does as it says.
func (g *guest) freeAsTold() {
	g.t.Helper()
	r := g.run("iscsifs umount /mnt/luns")
	if r.Code != exitInUse {
		g.t.Fatalf("umount with an active volume group: exit code %d, want %d\n%s", r.Code, exitInUse, r.Stderr)
	}
	want := []struct{ holder, command string }{
		{"mount /mnt/data", "umount /mnt/data"},
		{"volume group vg", "vgchange -an vg"},
		{"loop device /dev/loop0", "losetup -d /dev/loop0"},
	}
	rest := r.Stderr
	for _, w := range want {
		line := "/mnt/luns/lun1: " + w.holder + ": " + w.command + "\n"
		_, after, found := strings.Cut(rest, line)
		if !found {
			g.t.Fatalf("umount does not say, in this order, %q:\n%s", line, r.Stderr)
		}
		rest = after
		g.sh(w.command)
	}
}

// exitInUse is the exit code of iscsifs for what is in use.
const exitInUse = 5
