package vm_test

import (
	"testing"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

// TestOutage lets the target be away for longer than replacement_timeout under a
// volume group in use: its file system fails, and with the target back it is brought
// up again without a boot.
func TestOutage(t *testing.T) {
	need(t)
	n := newNAS(t, 256*mib, tgt.LUN{})
	g := share(t, n.config(`replacement_timeout = "3s"`))
	g.sh(mountLUNs + "; " + attach)
	g.sh(create)
	g.sh(mountData)
	g.sh(`dd if=/dev/urandom of=/mnt/data/before bs=1M count=4 conv=fsync status=none`)
	before := g.sh(`sha256sum /mnt/data/before`)

	writing := g.start(writer)
	g.progress()
	n.die()
	if r := <-writing; r.Code == 0 {
		t.Fatal("the writer has not noticed")
	}
	g.until(commandLimit, `dmesg | grep -q 'I/O error, dev loop0'`)
	if r := g.run("iscsifs sync /mnt/luns"); r.Code != exitNotWritten {
		t.Errorf("sync without the target: exit code %d, want %d\n%s", r.Code, exitNotWritten, r.Stderr)
	}

	n.rise()
	g.until(commandLimit, `iscsifs sync /mnt/luns`)
	g.sh("umount /mnt/data; vgchange -an vg; vgchange -ay vg")
	g.sh("e2fsck -fy /dev/mapper/vg-data || [ $? = 1 ]; " + checkData)
	g.sh(mountData)
	if after := g.sh(`sha256sum /mnt/data/before`); after != before {
		t.Errorf("what was durable before is %s, was %s", after, before)
	}
	g.sh(`dd if=/dev/urandom of=/mnt/data/after bs=1M count=4 conv=fsync status=none`)
	g.sh("umount /mnt/data; vgchange -an vg; losetup -d /dev/loop0; iscsifs umount /mnt/luns")
	n.wantNoSession()
}

// exitNotWritten is the exit code of iscsifs for data that could not be written.
const exitNotWritten = 6

// TestGrow makes a file system larger that is mounted, on a logical volume on a LUN
// that has grown.
func TestGrow(t *testing.T) {
	need(t)
	n := newNAS(t, 48*mib, tgt.LUN{})
	g := share(t, n.config(""))
	g.sh(mountLUNs + "; " + attach)
	g.sh(create)
	g.sh(mountData)
	g.sh(`dd if=/dev/urandom of=/mnt/data/before bs=1M count=8 conv=fsync status=none`)
	before := g.sh(`sha256sum /mnt/data/before`)

	n.die()
	n.resize(96 * mib)
	n.rise()
	g.until(commandLimit, `iscsifs rescan /mnt/luns; [ $(stat -c %s /mnt/luns/lun1) = $((96<<20)) ]`)
	g.sh(`losetup -c /dev/loop0; pvresize -q /dev/loop0; lvextend -q -l +100%FREE vg/data; resize2fs /dev/mapper/vg-data`)
	g.sh(`dd if=/dev/urandom of=/mnt/data/large bs=1M count=50 conv=fsync status=none`)
	if after := g.sh(`sha256sum /mnt/data/before`); after != before {
		t.Errorf("what was there before is %s, was %s", after, before)
	}
	g.sh("umount /mnt/data; " + checkData + "; vgchange -an vg; losetup -d /dev/loop0; iscsifs umount /mnt/luns")
	g.wantNoErrors()
	n.wantNoSession()
}
