package daemon

import (
	"testing"

	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// One unit has one key by whatever portal, others have others; a designator that is
// not unique in the world does not make one unit of two targets'.
func TestUnitKey(t *testing.T) {
	unit := func(iqn, portal string, number uint64) *lun {
		return &lun{target: &target{cfg: config.Target{IQN: iqn}}, portal: portal, number: number,
			disk: newFakeDisk(scsi.PeripheralLUN(1), "weak")}
	}
	first := unitKey(unit(iqnA, "localhost:3260", 1))
	if unitKey(unit(iqnA, "127.0.0.1:3260", 1)) != first {
		t.Error("another portal makes another unit")
	}
	if unitKey(unit(iqnB, "localhost:3260", 1)) == first || unitKey(unit(iqnA, "localhost:3260", 2)) == first {
		t.Error("another target's or LUN's unit has the same key")
	}
	strong := func(iqn string) string {
		l := unit(iqn, "localhost:3260", 1)
		l.disk.(*fakeDisk).info.Designators = []scsi.Designator{worldWide}
		return unitKey(l)
	}
	if strong(iqnA) != strong(iqnB) {
		t.Error("a unit that is known in the world has two keys")
	}
}
