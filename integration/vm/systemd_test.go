package vm_test

import (
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/vm"
)

const (
	systemd    = "/sbin/init"
	unitFolder = "../../cmd/iscsifs/units/"
)

// bootSystemd starts a machine with systemd as process 1, in which iscsifs is
// installed as `make install` does it, and the named units are enabled.
func bootSystemd(t *testing.T, enabled []string, files ...vm.File) *guest {
	t.Helper()
	files = append(files,
		vm.File{Path: "/etc/systemd/system/iscsifs@.service", From: unitFolder + "iscsifs@.service"},
		vm.File{Path: "/etc/systemd/system/iscsifs-loop@.service", From: unitFolder + "iscsifs-loop@.service"},
		vm.File{Path: "/usr/sbin/mount.iscsifs", Link: "/usr/local/sbin/iscsifs"},
		vm.File{Path: "/usr/sbin/umount.fuse.iscsifs", Link: "/usr/local/sbin/iscsifs"},
		vm.File{Path: "/etc/systemd/system/default.target", Link: "/lib/systemd/system/multi-user.target"},
		vm.File{Path: "/etc/systemd/system/multi-user.target.wants/remote-fs.target", Link: "/lib/systemd/system/remote-fs.target"},
		vm.File{Path: "/etc/machine-id", Text: "0123456789abcdef0123456789abcdef\n"}, // no first boot
		vm.File{Path: "/mnt/luns/"},
		vm.File{Path: "/etc/systemd/system/guest.service", Text: guestUnit},
		vm.File{Path: "/etc/systemd/system/sysinit.target.wants/guest.service", Link: "../guest.service"},
		vm.File{Path: "/etc/systemd/system/guest-network.service", Text: networkUnit},
		vm.File{Path: "/etc/systemd/system/network-online.target.wants/guest-network.service", Link: "../guest-network.service"},
		vm.File{Path: "/etc/systemd/system/systemd-udev-trigger.service.d/blocks.conf", Text: coldplug},
		vm.File{Path: "/etc/systemd/system.conf.d/log.conf", Text: "[Manager]\nLogTarget=console\n"},
	)
	for _, unit := range enabled {
		template, _, _ := strings.Cut(unit, "@")
		files = append(files, vm.File{Path: "/etc/systemd/system/remote-fs.target.wants/" + unit, Link: "../" + template + "@.service"})
	}
	for _, unneeded := range unneededUnits {
		files = append(files, vm.File{Path: "/etc/systemd/system/" + unneeded, Link: "/dev/null"})
	}
	return boot(t, systemd, files...)
}

// unneededUnits would make the boot longer.
var unneededUnits = []string{
	"e2scrub_all.timer", "e2scrub_reap.service", "getty.target", "kmod-static-nodes.service", "ldconfig.service",
	"lvm2-monitor.service", "modprobe@configfs.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
	"sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
	"systemd-hwdb-update.service", "systemd-journal-flush.service", "systemd-logind.service", "systemd-modules-load.service",
	"systemd-pcrphase-sysinit.service", "systemd-pcrphase.service", "systemd-random-seed.service", "systemd-sysctl.service",
	"systemd-sysusers.service", "systemd-tmpfiles-clean.timer", "systemd-tmpfiles-setup-dev.service", "systemd-tmpfiles-setup.service",
	"systemd-update-utmp-runlevel.service", "systemd-update-utmp.service", "systemd-user-sessions.service",
}

// coldplug lets udev look at the block devices only: for most others it would find
// and load a module.
const coldplug = "[Service]\nExecStart=\nExecStart=udevadm trigger --type=all --action=add --subsystem-match=block\n"

// guestUnit obeys the test from early on.
const guestUnit = `[Unit]
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Environment=PATH=/usr/local/sbin:/usr/sbin:/usr/bin
ExecStart=/usr/local/sbin/guest serve
KillMode=process
`

const networkUnit = `[Unit]
DefaultDependencies=no
After=systemd-udev-trigger.service
Before=network.target network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/guest network
`

// ready returns when systemd has done all that the boot asks for, whether or not it
// has succeeded.
func (g *guest) ready() {
	g.t.Helper()
	g.until(bootLimit, `state=$(systemctl is-system-running --wait) || true; [ "$state" = running -o "$state" = degraded ]`)
}

// wantActive checks that units are active.
func (g *guest) wantActive(units ...string) {
	g.t.Helper()
	for _, unit := range units {
		if r := g.run("systemctl is-active " + unit); r.Code != 0 {
			g.t.Fatalf("%s is %s%s", unit, r.Stdout, g.journal())
		}
	}
}

// wantInactive checks that units have ended, and well.
func (g *guest) wantInactive(units ...string) {
	g.t.Helper()
	for _, unit := range units {
		if state := g.sh("systemctl show --value -p ActiveState " + unit); state != "inactive\n" {
			g.t.Fatalf("%s is %s%s", unit, state, g.journal())
		}
	}
}
