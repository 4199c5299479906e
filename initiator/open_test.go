package initiator

import (
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestOpenTwice: a LUN has one Disk.
func TestOpenTwice(t *testing.T) {
	l := newLab(t)
	if _, err := l.s.OpenDisk(timeout(t), scsi.PeripheralLUN(0)); err == nil {
		t.Error("an open LUN is opened once more")
	}
}

// TestOpenAcrossLogins: a LUN that becomes another logical unit while it is
// asked what it is, is asked again from the start.
func TestOpenAcrossLogins(t *testing.T) {
	l := newLab(t)
	if err := l.AddLUN(1, otherDisk(4<<20)); err != nil {
		t.Fatal(err)
	}
	lastQuestion := l.OnExecute(target.All(target.SCSI(target.OpModeSense6), target.OnLUN(1)), target.Drop())
	var disk *Disk
	opened := async(func() (err error) {
		disk, err = l.s.OpenDisk(timeout(t), scsi.PeripheralLUN(1))
		return err
	})
	if !lastQuestion.Await(1, soon) {
		t.Fatal("MODE SENSE was not sent")
	}
	l.whileDown(func() {
		lastQuestion.Remove()
		l.RemoveLUN(1)
		if err := l.AddLUN(1, target.NewMemoryLUN(8<<20, 4096)); err != nil {
			t.Fatal(err)
		}
	})
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if disk.BlockSize() != 4096 || disk.Size() != 8<<20 {
		t.Errorf("%d bytes in blocks of %d, of the unit that was there before", disk.Size(), disk.BlockSize())
	}
}
