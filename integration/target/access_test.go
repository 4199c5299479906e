package target

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// twoGroups is a target with a portal in each of the groups 1 and 7, and a peer
// at each.
func twoGroups(t *testing.T, tpgs uint8) (*Target, *peer, *peer) {
	t.Helper()
	target := start(t, Config{QuietLogin: true, TPGS: tpgs})
	second, err := target.AddPortal("127.0.0.1:0", 7)
	if err != nil {
		t.Fatal(err)
	}
	return target, dial(t, target).login(), dialAt(t, second.Addr()).login()
}

// ask sends a command that reads and returns what came.
func (p *peer) ask(cdb []byte, allocation uint32) (data []byte, status byte, sense []byte) {
	p.t.Helper()
	p.write(reading(p.command(cdb, allocation)), nil)
	return p.response()
}

var reportGroups = []byte{OpMaintenanceIn, saReportTargetPortGroups, 0, 0, 0, 0, 0, 0, 0, 100}

// TestPortGroups: what SPC-4, 6.37 says of REPORT TARGET PORT GROUPS, and 6.6.2
// of the TPGS field.
func TestPortGroups(t *testing.T) {
	target, first, second := twoGroups(t, 1)
	if target.Sessions()[0].PortalGroup != 1 || target.Sessions()[1].PortalGroup != 7 {
		t.Errorf("sessions %+v", target.Sessions())
	}
	target.SetAccessState(7, Standby)
	for _, p := range []*peer{first, second} {
		if _, _, sense := p.ask([]byte{OpTestUnitReady}, 0); !senseIs(sense, 6, 0x2a, 6) {
			t.Errorf("sense % x after the change of a state", sense)
		}
		data, status, _ := p.ask(reportGroups, 100)
		want := []byte{0, 0, 0, 24,
			0x00, 0xcf, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1,
			0x02, 0xcf, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2}
		if status != 0 || !bytes.Equal(data, want) {
			t.Errorf("status %#x, groups % x", status, data)
		}
		extended := bytes.Clone(reportGroups)
		extended[1] |= 1 << 5
		if data, _, _ := p.ask(extended, 100); len(data) != 32 || data[3] != 28 || data[4] != 0x10 {
			t.Errorf("with extended header % x", data)
		}
		if data, _, _ := p.ask([]byte{OpInquiry, 0, 0, 0, 96}, 96); data[5]>>4 != 1 {
			t.Errorf("INQUIRY byte 5 is %#x", data[5])
		}
	}
}

// TestPortDesignators: each portal group tells its own in VPD page 83h.
func TestPortDesignators(t *testing.T) {
	_, first, second := twoGroups(t, 0)
	for tag, p := range map[byte]*peer{1: first, 7: second} {
		page, _, _ := p.ask([]byte{OpInquiry, 1, 0x83, 0, 255}, 255)
		group := []byte{0x51, 0x95, 0, 4, 0, 0, 0, tag}
		if !bytes.Contains(page, group) || !bytes.Contains(page, []byte(testIQN+",t,0x000"+string('0'+tag))) {
			t.Errorf("group %d: % x", tag, page)
		}
		if _, _, sense := p.ask(reportGroups, 100); !senseIs(sense, 5, 0x20, 0) {
			t.Errorf("REPORT TARGET PORT GROUPS without TPGS: % x", sense)
		}
	}
}

// TestAccessStates: which commands each state allows (SPC-4, 5.15.2.4), and what
// the others meet.
func TestAccessStates(t *testing.T) {
	allowed := map[AccessState]map[byte]bool{
		ActiveNonOptimized: {OpTestUnitReady: true, OpRead10: true, OpModeSense6: true, OpInquiry: true, OpReportLUNs: true, OpRequestSense: true, OpMaintenanceIn: true},
		Standby:            {OpModeSense6: true, OpInquiry: true, OpReportLUNs: true, OpRequestSense: true, OpMaintenanceIn: true},
		Unavailable:        {OpInquiry: true, OpReportLUNs: true, OpRequestSense: true, OpMaintenanceIn: true},
		Transitioning:      {OpInquiry: true, OpReportLUNs: true, OpRequestSense: true, OpMaintenanceIn: true},
	}
	refusal := map[AccessState]byte{Standby: 0x0b, Unavailable: 0x0c, Transitioning: 0x0a}
	target, first, second := twoGroups(t, 1)
	for state, commands := range allowed {
		target.SetAccessState(7, state)
		second.ask([]byte{OpTestUnitReady}, 0) // takes the unit attention
		for _, cdb := range [][]byte{{OpTestUnitReady}, read10(0, 1), {OpModeSense6, 0, 0x3f, 0, 100}, {OpInquiry, 0, 0, 0, 36},
			{OpReportLUNs, 0, 0, 0, 0, 0, 0, 0, 0, 16}, {OpRequestSense, 0, 0, 0, 18}, reportGroups} {
			_, status, sense := second.ask(cdb, 512)
			if commands[cdb[0]] != (status == 0) {
				t.Errorf("state %d: %#x has status %#x", state, cdb[0], status)
			}
			if status != 0 && !senseIs(sense, 2, 0x04, refusal[state]) {
				t.Errorf("state %d: %#x has sense % x", state, cdb[0], sense)
			}
		}
		first.ask([]byte{OpTestUnitReady}, 0)
		if _, status, _ := first.ask(read10(0, 1), 512); status != 0 {
			t.Errorf("state %d of one group keeps the other from reading", state)
		}
	}
}

// TestResetEndsAllNexuses: LOGICAL UNIT RESET ends the tasks of every I_T nexus,
// without a response where TAS is 0 (SAM-5, 6.3.3 and 5.6), and tells the nexuses.
func TestResetEndsAllNexuses(t *testing.T) {
	target, first, second := twoGroups(t, 0)
	gate := NewGate()
	rule := target.OnExecute(SCSI(OpWrite10), Hold(gate))
	data := bytes.Repeat([]byte{1}, 512)
	k := writing(first.command(write10(0, 1), 512))
	first.write(k, data)
	if !rule.Await(1, patience) {
		t.Fatal("the write did not arrive")
	}
	rule.Remove()
	second.manage(pdu.LogicalUnitReset, pdu.ReservedTag, 0, pdu.FunctionComplete)
	gate.Release()
	for _, p := range []*peer{first, second} {
		if _, _, sense := p.ask([]byte{OpTestUnitReady}, 0); !senseIs(sense, 6, 0x29, 0) {
			t.Errorf("sense % x after a reset", sense)
		}
	}
	block, _, _ := second.ask(read10(0, 1), 512)
	if binary.BigEndian.Uint64(block) != 0 {
		t.Error("the write was executed after the reset")
	}
}
