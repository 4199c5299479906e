package initiator

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestUnitRefused: where every path leads to a smaller or another unit, accesses
// fail at once and for that reason: the unit is there, not away. When it is itself
// again it is used again.
func TestUnitRefused(t *testing.T) {
	for name, c := range map[string]struct {
		want   error
		change func(l *pathsLab) (back func())
	}{
		"smaller": {ErrShrunk, func(l *pathsLab) func() {
			_ = l.lun.SetSize(4 << 20)
			return func() { _ = l.lun.SetSize(8 << 20) }
		}},
		"another": {ErrIdentity, func(l *pathsLab) func() {
			naa, _ := hex.DecodeString(l.lun.NAA)
			return l.OnSend(target.All(target.OfCommand(target.OpInquiry), target.Opcode(pdu.OpDataIn)),
				target.Edit(func(p *target.PDU) {
					p.Data = bytes.ReplaceAll(p.Data, naa, bytes.Repeat([]byte{0x61}, len(naa)))
				})).Remove
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPathsLab(t, 2)
			back := c.change(l)
			if err := l.u.Refresh(timeout(t)); !errors.Is(err, c.want) {
				t.Fatalf("Refresh: %v", err)
			}
			began := time.Now()
			err := l.u.WritevAt(timeout(t), [][]byte{pattern(1, 512)}, 0)
			if took := time.Since(began); !errors.Is(err, c.want) || AwayTooLong(err) || took > soon/2 {
				t.Errorf("a write after %v: %v; away too long: %t", took, err, AwayTooLong(err))
			}
			if st := l.u.Status(); st.State != DiskRefused || !errors.Is(st.Reason, c.want) {
				t.Errorf("status %v, %v", st.State, st.Reason)
			}
			back()
			l.awaitPaths(2)
			l.write(pattern(2, 512), 0)
			l.holds(pattern(2, 512), 0)
		})
	}
}

// TestUnitRefusedInPart: of two paths one leads to a smaller unit, and the other
// is lost: accesses wait for that, and then fail for what is known of the unit.
func TestUnitRefusedInPart(t *testing.T) {
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.ReplacementTimeout = 500 * time.Millisecond })
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(1)
	if err := l.lun.SetSize(4 << 20); err != nil {
		t.Fatal(err)
	}
	_ = l.u.Refresh(timeout(t))
	err := l.u.ReadvAt(timeout(t), [][]byte{make([]byte, 512)}, 0)
	if !errors.Is(err, ErrShrunk) || AwayTooLong(err) {
		t.Errorf("a read: %v; away too long: %t", err, AwayTooLong(err))
	}
}
