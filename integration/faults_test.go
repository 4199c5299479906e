package integration

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

// What must hold after a fault, from CONTRACT.md's promises. In each case the
// operation succeeds, and its bytes are on the medium when the power fails then:
// "A byte that fsync acknowledged is on the target" (1).
const (
	// "A lost connection, a restarted target or a redirected login is not an I/O
	// error: I/O waits and goes on, with nothing lost, doubled or reordered" (2).
	newLogin = "after a new login"
	// The target answers for itself and stays: the same without one.
	sameSession = "in the same session"
)

// silence is the only fault that nothing but a ping finds. It has mounts of its own, as
// short pings would end the session of a machine that is busy.
const silence = "silence, and nobody hangs up"

// faults is the table: what happens, at which of the PDUs of the commands of which
// operations (rwszpu: read, write, synchronize, zero, punch a hole, umount), and how it
// goes on.
var faults = []fault{
	{"cut before the command", "rwszpu", receives(pdu.OpSCSICommand, 1, target.CutBefore()), newLogin},
	{"cut after the command", "rwszpu", receives(pdu.OpSCSICommand, 1, target.CutAfter()), newLogin},
	{"executed, and cut before the answer", "rwszpu", executes(target.CutAfter()), newLogin},
	{"cut before the first Data-Out", "w", receives(pdu.OpDataOut, 1, target.CutBefore()), newLogin},
	{"cut after the first Data-Out", "w", receives(pdu.OpDataOut, 1, target.CutAfter()), newLogin},
	{"cut between Data-Outs", "w", receives(pdu.OpDataOut, 7, target.CutBefore()), newLogin},
	{"cut before an R2T", "w", sends(pdu.OpR2T, 1, target.CutBefore()), newLogin},
	{"cut in an R2T", "w", sends(pdu.OpR2T, 2, target.CutAt(21)), newLogin},
	{"cut after an R2T", "w", sends(pdu.OpR2T, 2, target.CutAfter()), newLogin},
	{"cut before the data", "r", sends(pdu.OpDataIn, 1, target.CutBefore()), newLogin},
	{"cut in the header of data", "r", sends(pdu.OpDataIn, 2, target.CutAt(47)), newLogin},
	{"cut in the data", "r", sends(pdu.OpDataIn, 3, target.CutAt(1000)), newLogin},
	{"cut after data", "r", sends(pdu.OpDataIn, 3, target.CutAfter()), newLogin},
	{"cut before the response", "wsz", sends(pdu.OpSCSIResponse, 1, target.CutBefore()), newLogin},
	{"cut in the response", "wszp", sends(pdu.OpSCSIResponse, 1, target.CutAt(33)), newLogin},
	{"cut after the response", "wsz", sends(pdu.OpSCSIResponse, 1, target.CutAfter()), newLogin},

	{silence, "rwsu", stalls(), newLogin},

	{"header digest wrong in an answer", "rw", corrupts(target.Flip{Section: target.Header, Byte: 30, Bit: 1}), newLogin},
	{"data digest wrong in an answer", "r", corrupts(target.Flip{Section: target.Data, Byte: 100, Bit: 1}), newLogin},
	{"header digest wrong in a command", "rw", distorts(opcodeSCSICommand, 0, "header-digest"), newLogin},
	// Its Data-Out belong to a command that the target has discarded.
	{"data digest wrong in a command", "w", distorts(opcodeSCSICommand, digestLength+700, "data-digest", "data-task"), newLogin},
	{"header digest wrong in Data-Out", "w", distorts(opcodeDataOut, 1, "header-digest"), newLogin},
	// The target asks for such data again or ends the command (RFC 7143, 7.8).
	{"data digest wrong in Data-Out", "w", distorts(opcodeDataOut, digestLength+700, "data-digest"), sameSession},

	{"asynchronous message 0: SCSI event", "w", tells(pdu.AsyncMessage{Event: pdu.AsyncSCSI}), sameSession},
	{"asynchronous message 1: logout asked for", "rws", tells(pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 3}), newLogin},
	{"asynchronous message 2: connection dropped", "w", tells(pdu.AsyncMessage{Event: pdu.AsyncDropConnection, Parameter2: 1}), newLogin},
	{"asynchronous message 3: session dropped", "w", tells(pdu.AsyncMessage{Event: pdu.AsyncDropSession, Parameter2: 1}), newLogin},
	{"asynchronous message 4: negotiation asked for", "w", tells(pdu.AsyncMessage{Event: pdu.AsyncNegotiate, Parameter3: 3}), sameSession},
	{"asynchronous message 5: tasks terminated", "rws", tells(pdu.AsyncMessage{Event: pdu.AsyncTaskTerminated}), sameSession},
	{"asynchronous message 255: the vendor's", "w", tells(pdu.AsyncMessage{Event: pdu.AsyncVendor, VCode: 7}), sameSession},

	{"Reject: data digest", "w", rejects(pdu.RejectDataDigest), newLogin},
	{"Reject: SNACK", "w", rejects(pdu.RejectSNACK), newLogin},
	{"Reject: protocol error", "rws", rejects(pdu.RejectProtocolError), newLogin},
	{"Reject: not supported", "r", rejects(pdu.RejectNotSupported), newLogin},
	{"Reject: too many immediate commands", "r", rejects(pdu.RejectImmediateCommand), newLogin},
	{"Reject: task in progress", "r", rejects(pdu.RejectTaskInProgress), newLogin},
	{"Reject: invalid DataACK", "r", rejects(pdu.RejectInvalidDataACK), newLogin},
	{"Reject: invalid PDU field", "s", rejects(pdu.RejectInvalidPDUField), newLogin},
	{"Reject: out of resources", "s", rejects(pdu.RejectLongOperation), newLogin},
	{"Reject: negotiation reset", "s", rejects(pdu.RejectNegotiationReset), newLogin},
	{"Reject: waiting for logout", "s", rejects(pdu.RejectWaitingForLogout), newLogin},

	{"a storm of BUSY", "rwszpu", answers(8, target.Answer{Status: 0x08}), sameSession},
	{"a storm of TASK SET FULL", "rwszu", answers(8, target.Answer{Status: 0x28}), sameSession},
	{"unit attentions in a row", "rwszpu", answers(5, target.CheckCondition(0x06, 0x29, 0x01)), sameSession},
	{"TASK ABORTED", "rwszpu", answers(2, target.Answer{Status: 0x40}), sameSession},
	{"becoming ready", "rwszu", answers(3, target.CheckCondition(0x02, 0x04, 0x01)), sameSession},

	{"the response twice", "wszp", sends(pdu.OpSCSIResponse, 1, target.Duplicate()), sameSession},
	{"data twice", "r", sends(pdu.OpDataIn, 2, target.Duplicate()), newLogin},
	{"an R2T twice", "w", sends(pdu.OpR2T, 1, target.Duplicate()), newLogin},
	{"data out of order", "r", sends(pdu.OpDataIn, 2, target.Reorder()), newLogin},
	{"data lost", "r", sends(pdu.OpDataIn, 2, target.Drop()), newLogin},

	// The session is over in any case, and nothing was left to write.
	{"cut before the logout", "u", receives(pdu.OpLogoutReq, 1, target.CutBefore()), sameSession},
	{"cut in the answer to the logout", "u", sends(pdu.OpLogoutResp, 1, target.CutAt(20)), sameSession},
}

// fault is a row of the table. inject arms it for the PDUs that of matches; what it
// returns tells whether it has happened.
type fault struct {
	name   string
	during string
	inject func(f *faulty, of target.Match) *target.Rule
	then   string
}

// operation is a column: what is done with the extent of the cell, whose commands the
// match finds. It ends as the outcome says, or the test does.
type operation struct {
	of target.Match
	do func(f *faulty, off int64)
}

var operations = map[rune]operation{
	'r': {target.OfCommand(target.OpRead10), (*faulty).read},
	'w': {target.OfCommand(target.OpWrite10), (*faulty).write},
	's': {target.OfCommand(target.OpSynchronizeCache10, target.OpSynchronizeCache16), (*faulty).write},
	'z': {target.OfCommand(target.OpWriteSame10, target.OpWriteSame16, target.OpWrite10), (*faulty).zero},
	'p': {target.OfCommand(target.OpWriteSame10, target.OpWriteSame16, target.OpUnmap), (*faulty).punch},
	'u': {target.AnyOf(target.OfCommand(target.OpWrite10), target.Opcode(pdu.OpLogoutReq, pdu.OpLogoutResp)), (*faulty).umount},
}

// perMount is how many cells of a column share a mount. A few mounts work at once:
// most of the time passes in DefaultTime2Wait.
var perMount = map[rune]int{'r': 6, 'w': 6, 's': 6, 'z': 6, 'p': 8, 'u': 1}

const mountsAtOnce = 8

// TestFaults fills the table.
func TestFaults(t *testing.T) {
	needTools(t, "dd", "fallocate")
	t.Parallel()
	var all sync.WaitGroup
	slots := make(chan struct{}, mountsAtOnce)
	for column := range operations {
		rows := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !strings.ContainsRune(f.during, column) })
		for i, group := range groups(rows, perMount[column]) {
			all.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				t.Run(fmt.Sprintf("%c%d", column, i), func(t *testing.T) { faultyMount(t, column, i, group).run(operations[column], group) })
			})
		}
	}
	all.Wait()
}

// groups divides rows among mounts.
func groups(rows []fault, size int) (all [][]fault) {
	silent := func(f fault) bool { return f.name == silence }
	if i := slices.IndexFunc(rows, silent); i >= 0 {
		all = append(all, rows[i:i+1])
	}
	for group := range slices.Chunk(slices.DeleteFunc(slices.Clone(rows), silent), size) {
		all = append(all, group)
	}
	return all
}
