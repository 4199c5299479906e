package target

import (
	"maps"
	"slices"
	"sync"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Command is one SCSI command in the log, in the order of arrival.
type Command struct {
	Initiator string
	TSIH      uint16
	LUN       [8]byte
	CDB       [16]byte
	Opcode    byte
	LBA       uint64 // of commands that have one
	Blocks    uint64 // blocks read, written or checked
	Bytes     uint32 // Expected Data Transfer Length
	Immediate bool   // marked for immediate delivery
	Done      bool
	Status    byte // SAM-5 status, when Done; 0x40 TASK ABORTED when aborted
}

// Counters are totals since the target was made.
type Counters struct {
	Logins, Logouts   int
	SynchronizeCache  int // commands that ended with GOOD
	Pongs             int // answers to Ping
	PDUsIn, PDUsOut   int
	BytesIn, BytesOut int64        // of data segments
	ByOpcode          map[byte]int // SCSI commands
	TaskManagement    []pdu.TaskMgmtFunction
}

const maxLog = 1 << 16

// recorder keeps what tests look at; it has a lock of its own.
type recorder struct {
	mu         sync.Mutex
	violations []Violation
	commands   []*Command
	counters   Counters
	captures   map[*Capture]struct{}
}

// Commands returns the SCSI commands in order of arrival; of more than 65,536
// the newest half at least.
func (t *Target) Commands() []Command {
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	all := make([]Command, len(t.rec.commands))
	for i, c := range t.rec.commands {
		all[i] = *c
	}
	return all
}

// Counters returns the totals.
func (t *Target) Counters() Counters {
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	c := t.rec.counters
	c.ByOpcode = maps.Clone(c.ByOpcode)
	c.TaskManagement = slices.Clone(c.TaskManagement)
	return c
}

func (r *recorder) count(change func(*Counters)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counters)
}

// begin puts a command into the log.
func (r *recorder) begin(k *task) *Command {
	e := &Command{
		Initiator: k.s.initiator,
		TSIH:      k.s.tsih,
		LUN:       k.cmd.LUN,
		CDB:       k.cmd.CDB,
		Opcode:    k.cdb[0],
		Bytes:     k.cmd.ExpectedDataTransferLength,
		Immediate: k.cmd.Immediate,
	}
	if place, ok := addressed(k.cdb); ok {
		e.LBA, e.Blocks = place.lba, place.blocks
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.commands) >= maxLog {
		r.commands = slices.Clone(r.commands[maxLog/2:])
	}
	r.commands = append(r.commands, e)
	if r.counters.ByOpcode == nil {
		r.counters.ByOpcode = map[byte]int{}
	}
	r.counters.ByOpcode[e.Opcode]++
	return e
}

// end puts a command's status into the log.
func (r *recorder) end(k *task, status byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k.entry.Done, k.entry.Status = true, status
	if status == statusGood && (k.entry.Opcode == OpSynchronizeCache10 || k.entry.Opcode == OpSynchronizeCache16) {
		r.counters.SynchronizeCache++
	}
}
