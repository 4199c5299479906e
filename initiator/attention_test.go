package initiator

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// everyCommand are the commands that a session sends by itself and for callers.
var everyCommand = []byte{
	target.OpInquiry, target.OpTestUnitReady, target.OpServiceActionIn16, target.OpModeSense6,
	target.OpReportLUNs, target.OpRead10, target.OpWrite10, target.OpSynchronizeCache16,
}

// useAll sends each of everyCommand once.
func (l *lab) useAll() {
	l.t.Helper()
	if _, err := l.s.LUNs(timeout(l.t)); err != nil {
		l.t.Error(err)
	}
	d, err := l.s.OpenDisk(timeout(l.t), scsi.LUN{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.disk = d
	l.write(pattern(1, 512), 0)
	same(l.t, "what is read back", l.read(512, 0), pattern(1, 512))
	if err := d.Sync(timeout(l.t)); err != nil {
		l.t.Error(err)
	}
}

// TestAttentionAtEveryCommand: a unit attention says nothing of the command that
// it ends instead (SAM-5, Section 5.14): it is sent again. So it is after each
// answer that only asks for patience.
func TestAttentionAtEveryCommand(t *testing.T) {
	for name, answer := range map[string]target.Answer{
		"unit attention":     target.CheckCondition(0x06, 0x29, 0x00),
		"inquiry changed":    target.CheckCondition(0x06, 0x3f, 0x03),
		"BUSY":               {Status: 0x08},
		"TASK SET FULL":      {Status: 0x28},
		"TASK ABORTED":       {Status: 0x40},
		"becoming ready":     target.CheckCondition(0x02, 0x04, 0x01),
		"CRC error":          target.CheckCondition(0x0b, 0x47, 0x05),
		"unexpected data":    target.CheckCondition(0x0b, 0x0c, 0x0c),
		"not enough data":    target.CheckCondition(0x0b, 0x0c, 0x0d),
		"target failure":     {Response: pdu.TargetFailure},
		"descriptor sense":   {Status: 0x02, Sense: []byte{0x72, 0x06, 0x29, 0x00, 0, 0, 0, 0}},
		"without sense data": {Status: 0x02, Sense: []byte{0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTargetLab(t)
			for _, op := range everyCommand {
				l.OnExecute(target.Between(1, 2, target.SCSI(op)), target.AnswerWith(answer))
			}
			l.login()
			l.useAll()
		})
	}
}

// TestAttentionsInARow: sixteen are taken; a target that never stops does not
// keep a caller for ever.
func TestAttentionsInARow(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		n  int64
		ok bool
	}{{16, true}, {1000, false}} {
		rule := l.OnExecute(target.Between(1, c.n, target.SCSI(target.OpRead10)), target.AnswerWith(target.CheckCondition(6, 0x29, 0)))
		_, err := l.disk.ReadAt(timeout(t), make([]byte, 512), 0)
		rule.Remove()
		if (err == nil) != c.ok {
			t.Errorf("%d unit attentions: %v", c.n, err)
		}
	}
}

// TestAttentionOfNewNexus: every LUN has a unit attention for a new session
// (SAM-5, Section 5.14.1), also at LUN 0 before REPORT LUNS.
func TestAttentionOfNewNexus(t *testing.T) {
	l := newTargetLab(t)
	l.lun.QueueUnitAttention(0x2a, 0x01)
	l.login()
	l.lun.QueueUnitAttention(0x3f, 0x0e)
	l.useAll()
}

// TestFinalAnswers: what a caller is told, at once, of answers that waiting does
// not change.
func TestFinalAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer target.Answer
		want   syscall.Errno
	}{
		"RESERVATION CONFLICT": {target.Answer{Status: 0x18}, syscall.EBADE},
		"medium error":         {target.CheckCondition(0x03, 0x11, 0x00), syscall.EIO},
		"hardware error":       {target.CheckCondition(0x04, 0x44, 0x00), syscall.EIO},
		"write protected":      {target.CheckCondition(0x07, 0x27, 0x00), syscall.EROFS},
		"space exhausted":      {target.CheckCondition(0x07, 0x27, 0x07), syscall.ENOSPC},
		"out of range":         {target.CheckCondition(0x05, 0x21, 0x00), syscall.ENOSPC},
		"manual intervention":  {target.CheckCondition(0x02, 0x04, 0x03), syscall.EIO},
		"descriptor format":    {target.Answer{Status: 2, Sense: []byte{0x72, 0x07, 0x27, 0x07, 0, 0, 0, 0}}, syscall.ENOSPC},
		"unknown status":       {target.Answer{Status: 0x3e}, syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			rule := l.OnExecute(target.SCSI(target.OpWrite10), target.AnswerWith(c.answer))
			start := time.Now()
			_, err := l.disk.WriteAt(timeout(t), make([]byte, 512), 0)
			var e *Error
			if !errors.As(err, &e) || e.Errno() != c.want || !errors.Is(err, ErrSCSI) || byte(e.Status) != c.answer.Status {
				t.Errorf("got %v", err)
			}
			if conflict := "RESERVATION CONFLICT: another host has reserved the LUN"; name == "RESERVATION CONFLICT" && !strings.HasSuffix(err.Error(), conflict) {
				t.Errorf("got %v, want %s", err, conflict)
			}
			if rule.Count() != 1 || time.Since(start) > soon/2 {
				t.Errorf("tried %d times, for %v", rule.Count(), time.Since(start))
			}
			rule.Remove()
			l.write(pattern(1, 512), 0)
		})
	}
}

// TestBusyForEver: patience ends, with the target's own word for it.
func TestBusyForEver(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) {
		c.CommandTimeout, c.ReplacementTimeout = time.Second, 100*time.Millisecond
	})
	rule := l.OnExecute(target.SCSI(target.OpRead10), target.AnswerWith(target.Answer{Status: 0x08}))
	_, err := l.disk.ReadAt(timeout(t), make([]byte, 512), 0)
	var e *Error
	if !errors.As(err, &e) || e.Status != scsi.Busy {
		t.Errorf("got %v", err)
	}
	if n := rule.Count(); n < 3 || n > 300 {
		t.Errorf("%d attempts in a second", n)
	}
}

// TestBusyBeside: one LUN that is busy does not slow another.
func TestBusyBeside(t *testing.T) {
	l := newLab(t, twoLUNs)
	rule := l.OnExecute(target.All(target.SCSI(target.OpRead10), target.OnLUN(0)), target.AnswerWith(target.Answer{Status: 0x28}))
	busy := readBlock(l.disk, 0)
	d := l.open(scsi.PeripheralLUN(1))
	start := time.Now()
	for i := range 100 {
		if _, err := d.WriteAt(timeout(t), make([]byte, 512), int64(i)*512); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > soon {
		t.Errorf("100 writes took %v", took)
	}
	rule.Remove()
	if err := result(t, busy); err != nil {
		t.Error(err)
	}
}

// TestErrorNames: an error says what failed, of which LUN, target and portal,
// and why.
func TestErrorNames(t *testing.T) {
	l := newLab(t)
	l.OnExecute(target.SCSI(target.OpRead10), target.AnswerWith(target.CheckCondition(0x03, 0x11, 0x00)))
	_, err := l.disk.ReadAt(timeout(t), make([]byte, 512), 0)
	want := fmt.Sprintf("READ (10) LUN 0 of %s at %s: ", l.cfg.TargetName, l.Addr())
	if err == nil || len(err.Error()) <= len(want) || err.Error()[:len(want)] != want {
		t.Errorf("got %v", err)
	}
}
