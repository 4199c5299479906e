package initiator

import (
	"context"
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestOnce: a command that must not be executed twice is sent again only when its
// answer says that it was not executed.
func TestOnce(t *testing.T) {
	for name, c := range map[string]struct {
		action target.Action
		sent   int
		want   error
	}{
		"unit attention":      {target.AnswerWith(target.CheckCondition(0x06, 0x29, 0x00)), 2, nil},
		"BUSY":                {target.AnswerWith(target.Answer{Status: 0x08}), 2, nil},
		"becoming ready":      {target.AnswerWith(target.CheckCondition(0x02, 0x04, 0x01)), 2, nil},
		"connection lost":     {target.CutAfter(), 1, ErrOutcomeUnknown},
		"unanswered":          {target.Drop(), 1, ErrOutcomeUnknown},
		"TASK ABORTED":        {target.AnswerWith(target.Answer{Status: 0x40}), 1, ErrOutcomeUnknown},
		"aborted command":     {target.AnswerWith(target.CheckCondition(0x0b, 0x47, 0x05)), 1, ErrOutcomeUnknown},
		"target failure":      {target.AnswerWith(target.Answer{Response: pdu.TargetFailure}), 1, ErrOutcomeUnknown},
		"refused for ever":    {target.AnswerWith(target.CheckCondition(0x05, 0x24, 0x00)), 1, ErrSCSI},
		"without an obstacle": {target.Pass(), 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, brisk)
			l.hurry()
			rule := l.OnExecute(target.Once(target.SCSI(target.OpVerify10)), c.action)
			all := l.OnExecute(target.SCSI(target.OpVerify10), target.Pass())
			x := newCommand(scsi.LUN{}, scsi.CDB{0: target.OpVerify10, 8: 1}, l.s.cfg.CommandTimeout)
			x.disk, x.once = l.disk, true
			defer x.release()
			if err := l.s.submit(x); err != nil {
				t.Fatal(err)
			}
			if err := l.s.finish(context.Background(), x); !errors.Is(err, c.want) {
				t.Errorf("it ended with: %v", err)
			}
			l.read(512, 0)
			if rule.Count() != 1 || all.Count() != c.sent {
				t.Errorf("sent %d times, want %d", all.Count(), c.sent)
			}
		})
	}
}
