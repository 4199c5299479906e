package initiator

import (
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// inTransition answers with NOT READY, ASYMMETRIC ACCESS STATE TRANSITION; inStandby,
// with TARGET PORT IN STANDBY STATE.
var (
	inTransition = target.AnswerWith(target.CheckCondition(2, 4, 0x0a))
	inStandby    = target.AnswerWith(target.CheckCondition(2, 4, 0x0b))
)

// impatient bounds how long an access is repeated.
func impatient(_ *target.Config, c *Config) {
	c.ReplacementTimeout, c.CommandTimeout = time.Second, time.Second
}

func withoutTPGS(tc *target.Config, _ *Config) { tc.TPGS = 0 }

// TestNotReadyWithoutTPGS: a target that knows no port groups, and refuses commands
// for the state of one, is tried again; no path is given up for a state that nobody
// can ask for.
func TestNotReadyWithoutTPGS(t *testing.T) {
	l := newPathsLab(t, 2, withoutTPGS)
	l.OnExecute(target.Between(1, 6, target.SCSI(target.OpWrite10)), inTransition)
	l.write(pattern(1, 512), 0)
	l.holds(pattern(1, 512), 0)
	l.awaitPaths(2)
}

// TestReadyPathWithoutTPGS: of two paths one refuses every read, and is idle for
// that reason: the other is used, though it is busy.
func TestReadyPathWithoutTPGS(t *testing.T) {
	l := newPathsLab(t, 2, withoutTPGS)
	gate := target.NewGate()
	defer gate.Release()
	held := l.OnExecute(target.All(l.portals[1].At(), target.SCSI(target.OpWrite10)), target.Hold(gate))
	writes := []<-chan error{l.startWrite(pattern(1, 512), 0), l.startWrite(pattern(2, 512), 512)} // one by each path
	if !held.Await(1, soon) {
		t.Fatal("no write")
	}
	refused := l.OnExecute(target.All(l.portals[0].At(), target.SCSI(target.OpRead10)), inStandby)
	for range 10 {
		l.read(512, 0)
	}
	if n := refused.Count(); n == 0 || n > 10 {
		t.Errorf("10 reads were refused %d times", n)
	}
	gate.Release()
	for _, w := range writes {
		if err := result(t, w); err != nil {
			t.Error(err)
		}
	}
}

// TestRefusedForEver: an access that every path refuses ends, with the target's
// words, whatever the target says of the paths' states; then the unit is used as
// before.
func TestRefusedForEver(t *testing.T) {
	for name, changes := range map[string][]setup{
		"no states":             {impatient, withoutTPGS},
		"states that are wrong": {impatient},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPathsLab(t, 2, changes...)
			refused := l.OnExecute(target.SCSI(target.OpWrite10), inStandby)
			began := time.Now()
			err := l.u.WritevAt(timeout(t), [][]byte{pattern(1, 512)}, 0)
			var e *Error
			if took := time.Since(began); !errors.As(err, &e) || !errors.Is(err, ErrSCSI) || e.Sense.ASCQ != 0x0b || took > soon/2 {
				t.Errorf("after %v: %v", took, err)
			}
			refused.Remove()
			l.awaitPaths(2)
			l.write(pattern(2, 512), 0)
			l.holds(pattern(2, 512), 0)
		})
	}
}

// TestStatesVanish: a state that a path had is forgotten when it is lost, and the
// target does not report any when it is back.
func TestStatesVanish(t *testing.T) {
	l := newPathsLab(t, 2)
	l.SetAccessState(1, target.Standby)
	l.read(512, 0)
	l.read(512, 0)
	l.awaitAccess(scsi.Standby, scsi.ActiveOptimized)
	l.OnSend(target.All(target.OfCommand(target.OpInquiry), target.Opcode(pdu.OpDataIn)), target.Edit(func(p *target.PDU) {
		if len(p.Data) > 5 && p.Data[1] == 0 { // standard INQUIRY data
			p.Data[5] &^= 0x30 // TPGS
		}
	}))
	for _, p := range l.portals {
		if err := p.Cut(); err != nil {
			t.Fatal(err)
		}
	}
	l.SetAccessState(1, target.ActiveOptimized)
	for _, p := range l.portals {
		if err := p.Listen(); err != nil {
			t.Fatal(err)
		}
	}
	l.awaitPaths(2)
}
