package initiator

import (
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// taskKind is the request that a task sends.
type taskKind uint8

const (
	kindCommand taskKind = iota // SCSI Command
	kindTaskMgmt
	kindText
	kindPing // NOP-Out
	kindLogout
)

// immediate tells whether the request is sent for immediate delivery: it
// passes a closed command window and consumes no CmdSN (RFC 7143, Section
// 4.2.2.1).
func (k taskKind) immediate() bool { return k != kindCommand && k != kindText }

// taskState is where a task stands. Only Session methods named ...Locked
// change it.
//
//	       submit           gather            response, abort
//	idle ─────────► pending ───────► sent ──────────────────────► ended
//	                  ▲                │                            ▲
//	                  └────────────────┘                            │
//	                  connection ended: commands are sent again,    │
//	                  everything else ends ─────────────────────────┘
//	                  text goes on in the same task
//
// A sent command is pending again when it was aborted, by whoever it was, and its
// caller still wants it: see againLocked. A pending task ends too when its caller
// gives up or the session closes.
type taskState uint8

const (
	taskIdle taskState = iota
	taskPending
	taskSent
	taskEnded
)

// maxBursts bounds the sequences of Data-Out PDUs that one command can have to
// send: one unsolicited and as many R2Ts as the login offers to take at once.
const maxBursts = 1 + 8

// burst is a sequence of Data-Out PDUs: unsolicited, or what an R2T asks for.
type burst struct {
	lun      [8]byte
	ttt      uint32
	off, end int // bytes within the command's data
	dataSN   uint32
}

// task is one request that expects an answer, from its submission to its end.
// The submitter owns it before submission and after done; in between its
// fields are guarded by Session.mu, except that the reader and the writer of
// the connection use its memory while they hold a pin.
type task struct {
	kind taskKind
	// internal tasks are the session's own: they are sent while the session
	// recovers and those of callers wait.
	internal bool

	// SCSI commands.
	lun         scsi.LUN
	disk        *Disk // whose caller's access it is; nil for questions
	cdb         scsi.CDB
	read, write bool
	// alters commands change the medium though they send no data.
	alters bool
	// exact commands transfer all of data or fail.
	exact bool
	// once commands are never sent again when the target may have executed them:
	// they fail with ErrOutcomeUnknown.
	once bool
	// slow commands get more time while the target answers anything else.
	slow    bool
	timeout time.Duration // without progress
	data    vector        // memory of the caller: source of a write, destination of a read

	// Task management, text, ping.
	function pdu.TaskMgmtFunction
	refTag   uint32
	refCmdSN uint32
	reason   pdu.LogoutReason
	ttt      uint32
	payload  []byte // outgoing text

	// Progress, guarded by Session.mu.
	state     taskState
	pins      int   // the writer's and the reader's hold on data
	overdue   bool  // no progress for timeout: to be aborted, and sent again
	doubtful  bool  // the target may have lost it: to be aborted, and sent again
	cause     error // why the caller gave up: to be aborted, and to end with it
	itt       uint32
	cmdSN     uint32
	sentAt    time.Time // last progress
	vainSince time.Time // when it had first been sent in vain
	bursts    [maxBursts]burst
	nbursts   int
	r2tSN     uint32 // expected next
	dataSN    uint32 // expected next
	received  int    // bytes of data
	sent      int    // the same of a write
	ranges    []byteRange

	// Result, valid after done.
	err      error
	response pdu.ResponseCode
	status   scsi.Status
	sense    scsi.Sense
	residual pdu.Residual
	result   uint8  // of task management and logout
	answer   []byte // incoming text

	prev, next *task // in the one taskList that holds it
	list       *taskList
	done       chan struct{} // one token when the task has ended and its memory is free
}

// taskPool recycles tasks. A task returns to it only from its submitter and
// after its end, so that nothing of the session still points at it.
var taskPool = sync.Pool{New: func() any { return &task{done: make(chan struct{}, 1)} }}

func newTask(kind taskKind) *task {
	t := taskPool.Get().(*task)
	t.kind = kind
	return t
}

// release gives an ended task back.
func (t *task) release() {
	*t = task{done: t.done, ranges: t.ranges[:0]}
	taskPool.Put(t)
}

// unpinLocked gives up one hold on the task's memory. It is the last thing done
// with the task: the submitter may have it back now.
func (t *task) unpinLocked() {
	t.pins--
	if t.pins == 0 && t.state == taskEnded {
		t.done <- struct{}{}
	}
}

// restart forgets what an earlier transmission brought.
func (t *task) restart() {
	t.nbursts, t.r2tSN, t.dataSN, t.received, t.sent = 0, 0, 0, 0, 0
	t.ranges = t.ranges[:0]
	t.response, t.status, t.sense, t.residual = 0, 0, scsi.Sense{}, pdu.Residual{}
	t.overdue, t.doubtful = false, false
}

// progressLocked begins the time without progress anew.
func (t *task) progressLocked() { t.sentAt, t.overdue, t.doubtful = time.Now(), false, false }

// pushBurst adds a sequence of Data-Out PDUs to be sent; checkR2T keeps the
// number within maxBursts.
func (t *task) pushBurst(b burst) {
	t.bursts[t.nbursts] = b
	t.nbursts++
}

// outstanding returns how many R2Ts still have data to be sent. The unsolicited
// burst, which no R2T asked for, is always the first.
func (t *task) outstanding() int {
	if t.nbursts > 0 && t.bursts[0].ttt == pdu.ReservedTag {
		return t.nbursts - 1
	}
	return t.nbursts
}

// popBurst drops the first burst, which has been sent.
func (t *task) popBurst() {
	copy(t.bursts[:], t.bursts[1:t.nbursts])
	t.nbursts--
}

// taskList is a queue of tasks; a task is in one list at most.
type taskList struct {
	head, tail *task
	len        int
}

func (l *taskList) pushBack(t *task) {
	t.list, t.prev, t.next = l, l.tail, nil
	if l.tail != nil {
		l.tail.next = t
	} else {
		l.head = t
	}
	l.tail = t
	l.len++
}

func (l *taskList) pushFront(t *task) {
	t.list, t.prev, t.next = l, nil, l.head
	if l.head != nil {
		l.head.prev = t
	} else {
		l.tail = t
	}
	l.head = t
	l.len++
}

// remove takes the task out of its list, if it is in one.
func (t *task) remove() {
	l := t.list
	if l == nil {
		return
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.tail = t.prev
	}
	l.len--
	t.list, t.prev, t.next = nil, nil, nil
}
