package integration

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

// flight knows the reads and writes that the target has received and not answered.
type flight struct {
	mu           sync.Mutex
	open         map[uint32]extent // by Initiator Task Tag
	overlaps     []string
	writes, most int
}

// watchFlight looks at what comes and goes at the target.
func watchFlight(s *scripted) *flight {
	f := &flight{open: map[uint32]extent{}}
	s.OnReceive(f.begins, target.Pass())
	s.OnSend(f.ends, target.Pass())
	return f
}

func (f *flight) begins(e *target.Event) bool {
	if !scriptedWrites(e) && !scriptedReads(e) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c := extentOf(e.CDB)
	for _, o := range f.open {
		reads := scriptedReads(e) || o.opcode == target.OpRead10 || o.opcode == target.OpRead16
		if !reads && o.first < c.first+c.blocks && c.first < o.first+o.blocks {
			f.overlaps = append(f.overlaps, fmt.Sprintf("%+v and %+v", o, c))
		}
	}
	f.open[tag(e)] = c
	f.most = max(f.most, len(f.open))
	if scriptedWrites(e) {
		f.writes++
	}
	return true
}

// ends is asked before the answer can have reached the initiator.
func (f *flight) ends(e *target.Event) bool {
	const status = 0x01 // the S bit of a Data-In, RFC 7143, 11.7.3
	op := e.PDU.Header.Opcode()
	if op != pdu.OpSCSIResponse && (op != pdu.OpDataIn || e.PDU.Header[1]&status == 0) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, tag(e))
	return true
}

// extent is where a command reads or writes, in logical blocks.
type extent struct {
	opcode        byte
	first, blocks uint64
}

// extentOf is the place of a READ or WRITE (10) or (16), SBC-3, 5.8 to 5.31.
func extentOf(cdb []byte) extent {
	if cdb[0] == target.OpRead10 || cdb[0] == target.OpWrite10 {
		return extent{cdb[0], uint64(binary.BigEndian.Uint32(cdb[2:])), uint64(binary.BigEndian.Uint16(cdb[7:]))}
	}
	return extent{cdb[0], binary.BigEndian.Uint64(cdb[2:]), uint64(binary.BigEndian.Uint32(cdb[10:]))}
}

// tag is the Initiator Task Tag of a PDU, RFC 7143, 11.2.1.8.
func tag(e *target.Event) uint32 { return binary.BigEndian.Uint32(e.PDU.Header[16:]) }
