package initiator

import (
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// newThinLab is a lab whose LUN 0, of 8 MiB, is full of a pattern, which is returned.
func newThinLab(t *testing.T, options ...target.Option) (*lab, []byte) {
	t.Helper()
	lun := target.NewMemoryLUN(8<<20, 512, options...)
	l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
	l.lun = lun
	content := pattern(1, 8<<20)
	l.fill(content, 0)
	return l, content
}

// sent returns the operation codes that the target was sent since a call of mark,
// but for reads and questions what it is.
func (l *lab) sent(from int) (ops []byte) {
	for _, c := range l.Commands()[from:] {
		if c.Opcode != 0x28 && c.Opcode != 0x9e || c.Opcode == 0x9e && c.CDB[1] == 0x12 {
			ops = append(ops, c.Opcode)
		}
	}
	return ops
}

func TestDeallocateWorks(t *testing.T) {
	l, content := newThinLab(t, target.Thin())
	from := len(l.Commands())
	if err := l.disk.Deallocate(timeout(t), 512, 4<<20); err != nil {
		t.Fatal(err)
	}
	clear(content[512 : 512+4<<20])
	l.holds(content, 0)
	if got := l.sent(from); string(got) != "\x93\x93\x93" {
		t.Errorf("sent % x", got)
	}
	n, hole, err := l.disk.Allocation(timeout(t), 64<<10)
	if n != 4<<20-64<<10 || !hole || err != nil {
		t.Errorf("%d %v %v", n, hole, err)
	}
	n, hole, err = l.disk.Allocation(timeout(t), 4<<20+1)
	if n != 4<<20-1 || hole || err != nil {
		t.Errorf("%d %v %v", n, hole, err)
	}
	if err := l.disk.Zero(timeout(t), 6<<20, 1<<20); err != nil {
		t.Fatal(err)
	}
	clear(content[6<<20 : 7<<20])
	l.holds(content, 0)
	if err := l.disk.Deallocate(timeout(t), 1, 4<<20); !errors.Is(err, ErrOutOfRange) {
		t.Error(err)
	}
}
