package manual

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// actions says what becomes of a command for each way in which it can end. Those that
// are missing fail at once.
var actions = map[scsi.Disposition]string{
	scsi.Success:       "is taken for done",
	scsi.Retry:         "is sent again at once, 16 times in a row at most",
	scsi.RetryDelayed:  "is sent again after a pause, until `replacement_timeout`",
	scsi.NoLogicalUnit: "waits for the LUN to be there again, until `replacement_timeout`",
	scsi.DeferredError: "is sent again, after all writes that were not synchronized",
}

// ErrorTable is a table, in Markdown, of what a target may answer to a command, what
// becomes of the command, and with which error number it fails if it does.
func ErrorTable() string {
	var out strings.Builder
	out.WriteString("| the target answers | the command | error |\n| --- | --- | --- |\n")
	for _, s := range []scsi.Status{scsi.Busy, scsi.TaskSetFull, scsi.ACAActive, scsi.TaskAborted, scsi.ReservationConflict} {
		out.WriteString(errorRow(s.String(), s, scsi.Sense{}))
	}
	out.WriteString(errorRow("CHECK CONDITION without sense data", scsi.CheckCondition, scsi.Sense{}))
	for _, r := range scsi.SenseRules() {
		sense := scsi.Sense{Format: scsi.SenseFixed, Key: r.Key, ASC: sample(r.ASC), ASCQ: sample(r.ASCQ)}
		name := r.Name
		if r.ASC >= 0 {
			name = r.Key.String() + ", " + name
		}
		out.WriteString(errorRow(fmt.Sprintf("%02X/%s/%s %s", uint8(r.Key), code(r.ASC), code(r.ASCQ), name), scsi.CheckCondition, sense))
	}
	out.WriteString(errorRow("the same, of an earlier command (deferred)", scsi.CheckCondition, scsi.Sense{Format: scsi.SenseFixed, Deferred: true, Key: scsi.MediumError}))
	return out.String()
}

// errorRow is the row of one answer, by what the initiator makes of it.
func errorRow(answer string, status scsi.Status, sense scsi.Sense) string {
	disposition := scsi.Classify(status, sense)
	errno := ""
	if disposition != scsi.Success {
		err := &initiator.Error{Err: initiator.ErrSCSI, Status: status, Sense: sense}
		errno = errnoName(err.Errno())
	}
	action := actions[disposition]
	switch {
	case action == "":
		action = "fails"
	case errno != "":
		errno = "then " + errno
	}
	return fmt.Sprintf("| %s | %s | %s |\n", answer, action, errno)
}

// errnoName is how manuals call an error number that has two names.
func errnoName(e syscall.Errno) string {
	if e == unix.EOPNOTSUPP {
		return "EOPNOTSUPP"
	}
	return unix.ErrnoName(e)
}

// code is a column of sense data as people write it.
func code(c int) string {
	if c < 0 {
		return "xx"
	}
	return fmt.Sprintf("%02X", c)
}

// sample stands for every code that no rule names.
func sample(c int) uint8 {
	if c < 0 {
		return 0xfe
	}
	return uint8(c)
}
