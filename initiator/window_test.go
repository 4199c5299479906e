package initiator

import (
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

func TestSerialBefore(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{
		{0, 0, false}, {0, 1, true}, {1, 0, false},
		{0xffffffff, 0, true}, {0, 0xffffffff, false},
		{0xfffffff0, 0x10, true}, {0x10, 0xfffffff0, false},
		{0x7fffffff, 0x80000000, true}, {0, 0x7fffffff, true},
	} {
		if got := serialBefore(c.a, c.b); got != c.want {
			t.Errorf("serialBefore(%#x, %#x) = %v", c.a, c.b, got)
		}
	}
}

// TestWindow follows RFC 7143, Section 4.2.2.1, also across the wrap of the
// numbers.
func TestWindow(t *testing.T) {
	for _, start := range []uint32{0, 7, 0x7ffffffe, 0xfffffffd, 0xffffffff} {
		w := newWindow(start, pdu.Sequence{ExpCmdSN: start, MaxCmdSN: start + 1})
		for i := range uint32(2) {
			if !w.open() {
				t.Fatalf("start %#x: closed after %d of 2 commands", start, i)
			}
			if n := w.take(); n != start+i {
				t.Fatalf("start %#x: command %d got CmdSN %#x", start, i, n)
			}
		}
		if w.open() {
			t.Errorf("start %#x: open beyond MaxCmdSN", start)
		}
		w.update(pdu.Sequence{ExpCmdSN: start + 2, MaxCmdSN: start + 2})
		if !w.open() {
			t.Errorf("start %#x: a larger MaxCmdSN does not open the window", start)
		}
		w.update(pdu.Sequence{ExpCmdSN: start, MaxCmdSN: start + 1})
		if !w.open() {
			t.Errorf("start %#x: a smaller MaxCmdSN, of an older PDU, closes the window", start)
		}
		w.update(pdu.Sequence{ExpCmdSN: start + 50, MaxCmdSN: start + 48})
		if w.expCmdSN != start+2 || w.maxCmdSN != start+2 {
			t.Errorf("start %#x: MaxCmdSN < ExpCmdSN-1 is not ignored", start)
		}
		w.update(pdu.Sequence{ExpCmdSN: start + 3, MaxCmdSN: start + 2})
		if w.expCmdSN != start+3 {
			t.Errorf("start %#x: a closed window, MaxCmdSN = ExpCmdSN-1, is ignored", start)
		}
	}
}
