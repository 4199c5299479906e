package initiator

import "github.com/iscsifs/iscsifs/initiator/pdu"

// window numbers the commands of a session and says how many more the target
// accepts (RFC 7143, Section 4.2.2.1). Guarded by Session.mu.
type window struct {
	cmdSN    uint32 // of the next command
	expCmdSN uint32
	maxCmdSN uint32
}

// newWindow starts the numbering of a new session with what its last login
// response said.
func newWindow(cmdSN uint32, seq pdu.Sequence) window {
	return window{cmdSN: cmdSN, expCmdSN: seq.ExpCmdSN, maxCmdSN: seq.MaxCmdSN}
}

// update takes over what a PDU of the target says.
func (w *window) update(seq pdu.Sequence) {
	// RFC 7143, 4.2.2.1, in serial number arithmetic: a MaxCmdSN that is less than
	// ExpCmdSN - 1 of the same PDU says that both are to be ignored.
	if serialBefore(seq.MaxCmdSN, seq.ExpCmdSN-1) {
		return
	}
	// Else each updates the local one if it is greater, and is ignored if not.
	if serialBefore(w.maxCmdSN, seq.MaxCmdSN) {
		w.maxCmdSN = seq.MaxCmdSN
	}
	if serialBefore(w.expCmdSN, seq.ExpCmdSN) {
		w.expCmdSN = seq.ExpCmdSN
	}
}

// open tells whether the target accepts one more non-immediate command.
func (w *window) open() bool { return !serialBefore(w.maxCmdSN, w.cmdSN) }

// take numbers a non-immediate command. The caller sends it in this order: a
// number that never reaches the target stops the session for ever.
func (w *window) take() uint32 {
	n := w.cmdSN
	w.cmdSN++
	return n
}
