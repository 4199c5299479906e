package target

import (
	"slices"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// task is a SCSI command from its arrival to its response, under Target.mu.
//
//	collecting ──last unsolicited data──▶ waiting for its turn (CmdSN)
//	    │                                      │
//	    └──────────────────────────────────────┴─▶ checked ──error──▶ done
//	                                                  │
//	             soliciting ◀──data is missing────────┤
//	                 └──all bursts filled──▶ executed (or held by a rule) ──▶ done
//
// An abort ends it from any state without a response.
type task struct {
	c   *conn
	s   *session
	cmd pdu.SCSICommand
	cdb []byte
	lun *LUN // nil when there is none behind the command's LUN field
	op  *operation

	in, out     int64 // bytes that the CDB transfers to, and from the initiator
	unsolicited bool  // Data-Out without R2T is still to come
	ordered     bool
	checked     bool
	held        bool
	finished    bool
	orphaned    bool
	aborted     bool
	crcError    bool
	forced      *Answer

	data      []byte // of a write
	received  int    // bytes of data that have come
	nextSN    uint32 // DataSN of the unsolicited sequence
	bursts    []burst
	open      map[uint32]*burst // by Target Transfer Tag
	numbered  uint32            // Data-In or R2T PDUs sent
	entry     *Command          // in the log
	firstData int               // bytes of immediate and unsolicited data
}

// maxTransfer bounds the memory of one command, in bytes.
const maxTransfer = 64 << 20

// newTask takes a SCSI Command with its immediate data. It returns nil when
// the command was refused.
func (c *conn) newTask(p *PDU) *task {
	k := &task{c: c, s: c.sess, open: map[uint32]*burst{}, forced: p.answer}
	k.cmd.Unmarshal(&p.Header)
	if !c.checkTag(p) || !c.parseCDB(k, p) {
		return nil
	}
	k.lun = c.sess.node.lun(k.cmd.LUN)
	k.op = operationOf(k.cdb)
	k.in, k.out = k.transfer()
	if !k.checkFlags(p) {
		return nil
	}
	if k.cmd.Write {
		k.data = make([]byte, min(int(k.cmd.ExpectedDataTransferLength), maxTransfer))
		k.unsolicited = !k.cmd.Final
	}
	if !k.immediateData(p) {
		return nil
	}
	delete(c.sess.aborted, k.cmd.ITT)
	c.sess.tasks[k.cmd.ITT] = k
	k.entry = c.t.rec.begin(k)
	return k
}

func (c *conn) checkTag(p *PDU) bool {
	itt := p.Header.ITT()
	if itt == pdu.ReservedTag {
		c.violate(reqITTReserved, p, "")
		return false
	}
	if c.sess.tasks[itt] != nil {
		c.violate(reqITTInUse, p, "")
		return false
	}
	return true
}

// parseCDB joins the CDB with its extension in an AHS.
func (c *conn) parseCDB(k *task, p *PDU) bool {
	k.cdb = slices.Clone(k.cmd.CDB[:])
	segments, err := pdu.ParseAHS(p.AHS)
	if err != nil {
		c.violate(reqAHS, p, err.Error())
		return false
	}
	for _, a := range segments {
		if a.Type == pdu.AHSExtendedCDB && len(a.Specific) > 1 {
			k.cdb = append(k.cdb, a.Specific[1:]...)
		}
	}
	return true
}

// transfer returns what the CDB asks to move, in bytes; -1 when that is not
// known because the command or the LUN is not.
func (k *task) transfer() (in, out int64) {
	if k.lun == nil || k.op.transfer == nil {
		return -1, -1
	}
	return k.op.transfer(k.cdb, k.lun)
}

// checkFlags compares the flags and the expected length with the CDB.
func (k *task) checkFlags(p *PDU) bool {
	c, edtl := k.c, int64(k.cmd.ExpectedDataTransferLength)
	if !k.cmd.Write && !k.cmd.Final && c.violate(reqFinalRead, p, "") {
		return false
	}
	if k.in < 0 {
		return true
	}
	if k.in > 0 && !k.cmd.Read || k.out > 0 && !k.cmd.Write {
		c.note(reqReadWrite, p, "")
	}
	if want := max(k.in, k.out); want != edtl {
		c.note(reqEDTL, p, lengths(edtl, want))
	}
	return true
}

// advance takes the task as far as it can go now.
func (k *task) advance() {
	if !k.ordered || k.unsolicited || k.finished || k.held {
		return
	}
	if !k.checked {
		k.checked = true
		if r := k.check(); r != nil {
			k.complete(r)
			return
		}
		k.planBursts()
	}
	k.solicit()
	if len(k.bursts) == 0 && len(k.open) == 0 {
		k.ready()
	}
}

// check finds what is wrong with a command before its data is asked for.
func (k *task) check() *result {
	if k.forced != nil {
		return k.forced.result()
	}
	if k.crcError {
		return checkCondition(senseAborted, ascProtocolServiceCRC)
	}
	if k.lun == nil {
		return k.withoutLUN()
	}
	if a := k.lun.attentionFor(k.s, k.op); a != nil {
		return checkCondition(senseUnitAttention, *a)
	}
	if k.op.run == nil || slices.Contains(k.lun.UnknownOpcodes, k.cdb[0]) {
		return checkCondition(senseIllegalRequest, ascInvalidOpcode)
	}
	if r := k.checkAccess(); r != nil {
		return r
	}
	if k.lun.reservedFrom(k.s, k.op, k.cdb) {
		return conflict()
	}
	if k.op.check != nil {
		return k.op.check(k.cdb, k.lun)
	}
	return nil
}

// ready runs the rules for execution, then the command.
func (k *task) ready() {
	k.held = true // until a rule lets it go on
	k.lun.enqueue(k)
	k.s.t.script.execute(k)
}

// execute carries the command out, or gives the answer of a rule. It also runs
// for a task whose session is gone: the medium changes all the same.
func (k *task) execute(forced *Answer) {
	k.lun.dequeue(k)
	if k.aborted || k.finished {
		return
	}
	k.held = false
	switch {
	case forced != nil:
		k.complete(forced.result())
	case k.crcError:
		k.complete(checkCondition(senseAborted, ascProtocolServiceCRC))
	default:
		k.complete(k.op.run(&call{cdb: k.cdb, lun: k.lun, data: k.data[:k.received], node: k.s.node, t: k.s.t, sess: k.s}))
	}
}

// abort ends the task without a response.
func (k *task) abort() {
	k.aborted = true
	k.finish()
	k.s.aborted[k.cmd.ITT] = true
	k.s.t.rec.end(k, statusTaskAborted)
}

// orphan ends a task whose connection is gone, unless it is in the LUN's
// queue: then it is executed with nobody to answer to.
func (k *task) orphan() {
	k.orphaned = true
	if !k.held {
		k.aborted = true
	}
	delete(k.s.tasks, k.cmd.ITT)
}

// finish takes the task out of its session.
func (k *task) finish() {
	k.finished = true
	if k.lun != nil {
		k.lun.dequeue(k)
	}
	delete(k.s.tasks, k.cmd.ITT)
	k.s.openWindow()
}
