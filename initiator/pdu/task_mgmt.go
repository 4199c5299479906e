package pdu

import "fmt"

// TaskMgmtFunction selects what a Task Management Function Request does (RFC
// 7143, Section 11.5.1).
type TaskMgmtFunction uint8

// The task management functions.
const (
	AbortTask        TaskMgmtFunction = 1
	AbortTaskSet     TaskMgmtFunction = 2
	ClearACA         TaskMgmtFunction = 3
	ClearTaskSet     TaskMgmtFunction = 4
	LogicalUnitReset TaskMgmtFunction = 5
	TargetWarmReset  TaskMgmtFunction = 6
	TargetColdReset  TaskMgmtFunction = 7
	TaskReassign     TaskMgmtFunction = 8
)

var taskMgmtNames = [...]string{"", "ABORT TASK", "ABORT TASK SET", "CLEAR ACA", "CLEAR TASK SET",
	"LOGICAL UNIT RESET", "TARGET WARM RESET", "TARGET COLD RESET", "TASK REASSIGN"}

func (f TaskMgmtFunction) String() string {
	if f > 0 && int(f) < len(taskMgmtNames) {
		return taskMgmtNames[f]
	}
	return fmt.Sprintf("unknown(%d)", uint8(f))
}

// TaskMgmtRequest controls tasks already sent, as described in RFC 7143,
// Section 11.5.
type TaskMgmtRequest struct {
	Immediate         bool
	Function          TaskMgmtFunction
	LUN               [8]byte
	ITT               uint32
	ReferencedTaskTag uint32 // ReservedTag unless Function is AbortTask or TaskReassign
	CmdSN, ExpStatSN  uint32
	RefCmdSN          uint32 // CmdSN of the task that AbortTask names
	ExpDataSN         uint32 // TaskReassign only
}

var _ PDU = (*TaskMgmtRequest)(nil)

// Marshal writes the header.
func (p *TaskMgmtRequest) Marshal(b *BHS) {
	b.start(OpTaskMgmtReq, p.Immediate, bitFinal|byte(p.Function)&0x7f)
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.ReferencedTaskTag)
	b.put32(offCmdSN, p.CmdSN)
	b.put32(offExpStatSN, p.ExpStatSN)
	b.put32(32, p.RefCmdSN)
	b.put32(offDataSN, p.ExpDataSN)
}

// Unmarshal reads the header.
func (p *TaskMgmtRequest) Unmarshal(b *BHS) error {
	if err := b.expect(OpTaskMgmtReq); err != nil {
		return err
	}
	*p = TaskMgmtRequest{
		Immediate:         b.Immediate(),
		Function:          TaskMgmtFunction(b[offFlags] & 0x7f),
		LUN:               b.lun(),
		ITT:               b.ITT(),
		ReferencedTaskTag: b.u32(offTag),
		CmdSN:             b.u32(offCmdSN),
		ExpStatSN:         b.u32(offExpStatSN),
		RefCmdSN:          b.u32(32),
		ExpDataSN:         b.u32(offDataSN),
	}
	return nil
}

// TaskMgmtResult is a target's answer to a task management function (RFC
// 7143, Section 11.6.1).
type TaskMgmtResult uint8

// The task management responses.
const (
	FunctionComplete      TaskMgmtResult = 0
	TaskDoesNotExist      TaskMgmtResult = 1
	LUNDoesNotExist       TaskMgmtResult = 2
	TaskStillAllegiant    TaskMgmtResult = 3
	ReassignNotSupported  TaskMgmtResult = 4
	FunctionNotSupported  TaskMgmtResult = 5
	FunctionNotAuthorized TaskMgmtResult = 6
	FunctionRejected      TaskMgmtResult = 255
)

var taskMgmtResultNames = map[TaskMgmtResult]string{
	FunctionComplete:      "Function complete",
	TaskDoesNotExist:      "Task does not exist",
	LUNDoesNotExist:       "LUN does not exist",
	TaskStillAllegiant:    "Task still allegiant",
	ReassignNotSupported:  "Task allegiance reassignment not supported",
	FunctionNotSupported:  "Task management function not supported",
	FunctionNotAuthorized: "Function authorization failed",
	FunctionRejected:      "Function rejected",
}

func (r TaskMgmtResult) String() string {
	if s, ok := taskMgmtResultNames[r]; ok {
		return s
	}
	return fmt.Sprintf("unknown(%d)", uint8(r))
}

// TaskMgmtResponse answers a TaskMgmtRequest, as described in RFC 7143,
// Section 11.6.
type TaskMgmtResponse struct {
	Result TaskMgmtResult
	ITT    uint32
	Sequence
}

var _ PDU = (*TaskMgmtResponse)(nil)

// Marshal writes the header.
func (p *TaskMgmtResponse) Marshal(b *BHS) {
	b.start(OpTaskMgmtResp, false, bitFinal)
	b[offResponse] = byte(p.Result)
	b.put32(offITT, p.ITT)
	p.Sequence.marshal(b)
}

// Unmarshal reads the header.
func (p *TaskMgmtResponse) Unmarshal(b *BHS) error {
	if err := b.expect(OpTaskMgmtResp); err != nil {
		return err
	}
	*p = TaskMgmtResponse{Result: TaskMgmtResult(b[offResponse]), ITT: b.ITT()}
	p.Sequence.unmarshal(b)
	return nil
}
