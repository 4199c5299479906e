package fusefs

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestLoopDevice puts a file system on a loop device on a LUN file, fills it and
// checks it.
func TestLoopDevice(t *testing.T) {
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skipf("no loop devices here: %v", err)
	}
	for _, tool := range []string{"losetup", "mkfs.ext4", "e2fsck"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	m := mountThis(t, Options{}, newMemLUN(32<<20, 0xff))
	for name, option := range map[string]string{"buffered": "off", "direct": "on"} {
		t.Run(name, func(t *testing.T) {
			out, err := shell(t, m, "losetup --find --show --direct-io="+option+" $LUN").CombinedOutput()
			if err != nil {
				t.Skipf("losetup: %v: %s", err, out)
			}
			loop := strings.TrimSpace(string(out))
			attached := true
			defer func() {
				if attached { // else it may be somebody else's by now
					_ = exec.Command("losetup", "-d", loop).Run()
				}
			}()
			run(t, m, "mkfs.ext4 -q -F "+loop)
			run(t, m, `mount `+loop+` $TMP
				trap "umount $TMP" EXIT
				cp $(command -v sh) $TMP/sh; head -c 5M /dev/urandom > $TMP/random; sync -f $TMP
				cmp $(command -v sh) $TMP/sh`)
			run(t, m, "losetup -d "+loop)
			attached = false
			eventually(t, "the loop device has let go", func() bool { return len(m.OpenFiles()) == 0 })
			run(t, m, "e2fsck -fn $LUN")
			if m.lun.Unsynced() {
				eventually(t, "synchronized", func() bool { return !m.lun.Unsynced() })
			}
		})
	}
}

func run(t *testing.T, m *mounted, command string) {
	t.Helper()
	if out, err := shell(t, m, command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}
