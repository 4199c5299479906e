package vm_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/tgt"
	"github.com/iscsifs/iscsifs/integration/vm"
	"github.com/iscsifs/iscsifs/integration/vm/shell"
)

const (
	mountUnit = "iscsifs@nas.service"
	loopUnit  = `iscsifs-loop@mnt-luns-lun1.service`
	dataLine  = "/dev/vg/data /mnt/data ext4 acl,_netdev,nofail,x-systemd.device-timeout=5min,x-systemd.requires=" + loopUnit + " 0 0\n"
)

// recorder writes files one after the other for as long as it may, and the sum of
// each once it is durable, as a service that needs the file system.
const recorder = `systemd-run -q --unit recorder -p RequiresMountsFor=/mnt/data bash -euc '
	cd /mnt/data; i=0
	while true; do
		i=$((i+1)); dd if=/dev/urandom of=f$i bs=64k count=8 conv=fsync status=none
		sha256sum f$i >>sums; sync sums; echo $i >/run/written
		[ $i -lt 100 ] || exit 0
	done'`

// TestBoot boots from nothing to a file system on a volume group on a LUN, turns
// the machine off while it is written, and finds all of it at the next boot. Then the
// target dies, and the machine still turns itself off in time.
func TestBoot(t *testing.T) {
	need(t)
	n := newNAS(t, 256*mib, tgt.LUN{BlockSize: 4096})
	files := []vm.File{n.config(`replacement_timeout = "3s"`), {Path: "/etc/fstab", Text: dataLine}}

	g := bootSystemd(t, []string{mountUnit}, files...)
	g.until(bootLimit, "systemctl start "+loopUnit) // or waits for its start
	g.wantActive(mountUnit, loopUnit)
	if size := g.sh("blockdev --getss /dev/loop0; losetup -nO DIO /dev/loop0"); size != "4096\n  1\n" {
		t.Errorf("the loop device has sector size and direct I/O %q", size)
	}
	g.verifyUnits()
	g.reload(files[0])
	g.sh(create)
	g.until(bootLimit, "systemctl start mnt-data.mount")
	g.surviveKill()
	g.sh(recorder)
	g.progress()
	g.poweroff(2 * time.Minute)
	n.wantNoSession()

	g = bootSystemd(t, []string{mountUnit}, files...)
	g.until(bootLimit, "mountpoint -q /mnt/data")
	g.ready()
	g.wantActive(mountUnit, loopUnit, "mnt-data.mount", "remote-fs.target")
	g.wantNoErrors()
	if r := g.run("dmesg | grep -i 'recovery complete'"); r.Code == 0 {
		t.Errorf("the file system was not clean: %s", r.Stdout)
	}
	g.sh("cd /mnt/data; [ $(wc -l <sums) -ge 2 ]; sha256sum --quiet -c sums")

	g.sh("systemctl stop " + mountUnit)
	g.wantInactive(mountUnit, loopUnit, "mnt-data.mount")
	n.wantNoSession()
	g.sh("systemctl start " + mountUnit + " mnt-data.mount")

	g.sh(recorder)
	g.progress()
	n.die()
	n.wire.Cut()
	g.poweroff(4 * time.Minute) // less than twice the units' TimeoutStopSec: none of them is waited for
}

// surviveKill kills the daemon under the mounted file system: all comes back without a
// word from the administrator, with everything that was durable.
func (g *guest) surviveKill() {
	g.t.Helper()
	const note = "cat /run/iscsifs-loop/*/loop" // of what is attached
	stale := strings.TrimSpace(g.sh(note))
	g.sh("cd /mnt/data; dd if=/dev/urandom of=durable bs=64k count=8 conv=fsync status=none; sha256sum durable >sum; sync sum; touch lost")
	g.sh("kill -9 $(systemctl show --value -p MainPID " + mountUnit + ")")
	g.until(bootLimit, `[ "$(`+note+`)" != "`+stale+`" ] && mountpoint -q /mnt/data && touch /mnt/data/fresh`)
	if loops := g.sh("losetup -nO BACK-FILE"); loops != "/mnt/luns/lun1\n" {
		g.t.Errorf("there are loop devices of\n%s", loops)
	}
	g.wantActive(mountUnit, loopUnit, "mnt-data.mount")
	g.sh("cd /mnt/data; sha256sum --quiet -c sum; rm -f durable sum lost fresh")
}

// verifyUnits lets systemd look for faults in the units: unknown or misplaced
// settings, programs that are not there, orders that contradict each other.
func (g *guest) verifyUnits() {
	g.t.Helper()
	r := g.run("systemd-analyze verify --man=no " + mountUnit + " " + loopUnit)
	if r.Code != 0 || r.Stdout+r.Stderr != "" {
		g.t.Errorf("systemd-analyze verify: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// reload lets systemd have the configuration read again: what can change does, and
// one with a fault fails, is named, and changes nothing.
func (g *guest) reload(config vm.File) {
	g.t.Helper()
	pid := g.sh("systemctl show --value -p MainPID " + mountUnit)
	if r := g.reloadWith(config, "debug"); r.Code != 0 || !strings.Contains(r.Stdout, "log.level: debug") {
		g.t.Errorf("reload of another level: exit code %d, and it says\n%s", r.Code, r.Stdout)
	}
	if r := g.reloadWith(config, "loud"); r.Code == 0 || !strings.Contains(r.Stdout, `"loud"`) {
		g.t.Errorf("reload of a level that there is not: exit code %d, and it says\n%s", r.Code, r.Stdout)
	}
	g.wantActive(mountUnit)
	if now := g.sh("systemctl show --value -p MainPID " + mountUnit); now != pid {
		g.t.Errorf("after the reload the service's PID is %s, was %s", now, pid)
	}
	g.put(config)
}

// reloadWith returns how a reload ends with that level in the configuration's [log],
// and what the service says.
func (g *guest) reloadWith(config vm.File, level string) shell.Result {
	g.t.Helper()
	config.Text = strings.Replace(config.Text, "[log]\n", "[log]\nlevel = \""+level+"\"\n", 1)
	g.put(config)
	return g.run("systemctl reload " + mountUnit + " && code=0 || code=$?; journalctl --no-pager -o cat -u " + mountUnit + "; exit $code")
}

// poweroff turns a machine off that has systemd, and says how long that took.
func (g *guest) poweroff(limit time.Duration) {
	g.t.Helper()
	begun := time.Now()
	g.start("systemctl poweroff") // the answer may come, or not
	if err := g.Await(limit); err != nil {
		g.t.Fatal(err)
	}
	g.t.Logf("off in %.1f s", time.Since(begun).Seconds())
}

// TestTargetComesLater boots by lines in /etc/fstab alone, while the target is not
// there yet: the boot does not wait for it, and all is mounted when it comes.
func TestTargetComesLater(t *testing.T) {
	need(t)
	n := newNAS(t, 64*mib, tgt.LUN{})
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-L", "data", n.backing).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n.die()
	g := bootSystemd(t, nil, n.configOf(n.daemon.Portal(), ""), vm.File{Path: "/etc/fstab", Text: `
		/etc/iscsifs/nas.toml /mnt/luns iscsifs _netdev,nofail,wait=10m,x-systemd.mount-timeout=11m 0 0
		LABEL=data /mnt/data ext4 _netdev,nofail,x-systemd.device-timeout=10min,x-systemd.requires=` + loopUnit + ` 0 0
	`})
	g.until(bootLimit, "systemctl start multi-user.target && pgrep iscsifs") // which waits for the boot
	n.rise()
	g.until(bootLimit, "mountpoint -q /mnt/data")
	g.sh("dd if=/dev/urandom of=/mnt/data/file bs=64k count=8 status=none")
	g.sh("sync; kill -9 $(pgrep -x iscsifs); systemctl restart mnt-luns.mount")
	g.until(bootLimit, "mountpoint -q /mnt/data && touch /mnt/data/fresh")
	g.poweroff(2 * time.Minute)
	n.wantNoSession()
	if out, err := exec.Command("e2fsck", "-fn", n.backing).CombinedOutput(); err != nil {
		t.Errorf("after the poweroff: %v: %s", err, out)
	}
}
