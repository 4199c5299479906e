package integration

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/proxy"
	"github.com/iscsifs/iscsifs/integration/target"
)

// faulty is a mount of a scripted target, for a few cells of the table of faults.
type faulty struct {
	*scripted
	h    *host
	m    *mounted
	gate *target.Gate // of what the present cell holds
	line flipper      // to the target
}

const (
	faultySize = 8 * mib
	cellBytes  = 64 * kib // of each cell's extent; 8 bursts
)

// faultyMount mounts a LUN that is thin, full of noise, and has a volatile cache. The
// bursts are so short that each access takes several PDUs of each kind.
func faultyMount(t *testing.T, column rune, group int, rows []fault) *faulty {
	h := newHost(t)
	f := &faulty{h: h, line: flipper{at: -1}}
	p := target.DefaultParams()
	p.MaxRecvDataSegmentLength, p.FirstBurstLength, p.MaxBurstLength = 2048, 4096, 8192
	lun := target.NewMemoryLUN(faultySize, 512, target.WriteCache(), target.Thin())
	iqn := fmt.Sprintf("%s.%c%d", scriptedIQN, column, group)
	f.scripted = h.scriptWith(target.Config{IQN: iqn, LUNs: []*target.LUN{lun}, Strict: true, Params: &p})
	content := make([]byte, faultySize)
	noise(uint64(column)).Read(content)
	if _, err := lun.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	c := f.config("size = \"8MiB\"\nreadahead = \"0\"\nflush_interval = \"1h\"")
	c.iqn = iqn
	c.portal = passOn(t, f.Addr(), proxy.Options{Watch: f.line.watch}).Addr()
	c.tables += "\n[session]\nheader_digest = \"crc32c\"\ndata_digest = \"crc32c\"\n"
	if rows[0].name == silence {
		c.tables += "noop_interval = \"1s\"\nnoop_timeout = \"2s\""
	} else {
		c.tables += "noop_interval = \"0s\""
	}
	f.m = h.mount(c)
	return f
}

// run goes through the cells of one column.
func (f *faulty) run(op operation, rows []fault) {
	for i, row := range rows {
		f.h.t.Run(row.name, func(t *testing.T) {
			outer := f.h.t
			f.h.t = t
			defer func() { f.h.t = outer }()
			f.gate = target.NewGate()
			defer f.gate.Release()
			before := f.Counters().Logins
			rule := row.inject(f, op.of)
			op.do(f, int64(i)*cellBytes)
			rule.Remove()
			if flipped := f.line.disarm(); rule.Count() == 0 && !flipped {
				t.Fatal("the fault has not happened")
			}
			f.awaitSession()
			switch n := f.Counters().Logins - before; {
			case row.then == newLogin && n == 0:
				t.Error("no new login")
			case row.then == sameSession && n > 0:
				t.Errorf("%d new logins", n)
			}
		})
	}
}

// awaitSession waits until the session is whole, if there is to be one.
func (f *faulty) awaitSession() {
	f.h.t.Helper()
	if !eventually(patience, func() bool {
		return f.m.gone || f.m.target().State == "logged in"
	}) {
		f.h.t.Fatal("the session does not come back")
	}
}

// read reads from the target what no cache holds.
func (f *faulty) read(off int64) {
	out := f.h.path("out")
	f.h.sh(`dd if="$1" of="$2" bs=64k skip="$3" count=1 status=none`, f.m.lun(0), out, itoa(off/cellBytes))
	got, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(got, f.medium(f.h.t, 0, off, cellBytes)) {
		f.h.t.Errorf("wrong data was read (%v)", err)
	}
}

// write writes and synchronizes; then the power fails.
func (f *faulty) write(off int64) {
	data := make([]byte, cellBytes)
	noise(uint64(off/cellBytes) + 1).Read(data)
	f.h.sh(`dd if="$1" of="$2" bs=64k seek="$3" conv=notrunc,fsync status=none`, f.h.write("in", string(data), 0o600), f.m.lun(0), itoa(off/cellBytes))
	f.wantOnMedium(data, off)
}

// zero zeroes a range and synchronizes; then the power fails.
func (f *faulty) zero(off int64) {
	f.h.sh(`fallocate -z -o "$2" -l "$3" "$1"; sync "$1"`, f.m.lun(0), itoa(off), itoa(cellBytes))
	f.wantOnMedium(make([]byte, cellBytes), off)
}

// punch makes a hole and synchronizes; then the power fails.
func (f *faulty) punch(off int64) {
	f.h.sh(`fallocate -p -o "$2" -l "$3" "$1"; sync "$1"`, f.m.lun(0), itoa(off), itoa(cellBytes))
	f.wantOnMedium(make([]byte, cellBytes), off)
}

// umount forces off a mount whose user has written and not synchronized; then the power
// fails.
func (f *faulty) umount(int64) {
	f.h.t.Cleanup(f.m.holdDirty(0))
	f.m.gone = true
	f.h.mustIscsifs("umount", "--force", f.m.point)
	f.wantOnMedium(unsynchronized, 0)
}

// unsynchronized is what holdDirty writes.
var unsynchronized = bytes.Repeat([]byte("1"), cellBytes)

// holdDirty has a user write the beginning of a LUN and keep it open; end kills him. The
// user is bash alone: each process that ends, and each duplicate of the descriptor that
// is closed, would synchronize.
func (m *mounted) holdDirty(lun int) (end func()) {
	m.h.t.Helper()
	user, cancel := m.h.command("bash", "-euc", `exec 3<>"$1"; exec 1>&3; printf '1%.0s' {1..`+itoa(cellBytes)+`}; exec sleep 600`, "bash", m.lun(lun))
	if err := user.Start(); err != nil {
		m.h.t.Fatal(err)
	}
	end = func() { release(user); cancel() }
	if !eventually(patience, func() bool { return m.h.dirty(m, lun) == cellBytes }) {
		end()
		m.h.t.Fatal("what was written is not dirty: nothing would be tested")
	}
	return end
}

func (f *faulty) wantOnMedium(want []byte, off int64) {
	f.h.t.Helper()
	if err := f.luns[0].PowerCut(); err != nil {
		f.h.t.Fatal(err)
	}
	if !bytes.Equal(f.medium(f.h.t, 0, off, int64(len(want))), want) {
		f.h.t.Error("after the power failed, what was synchronized is not on the medium")
	}
}

// receives is a fault at the nth PDU of a kind that comes from the initiator.
func receives(op pdu.Opcode, n int64, a target.Action) func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule {
		return f.OnReceive(target.Nth(n, target.All(target.Opcode(op), of)), a)
	}
}

// sends is a fault at the nth PDU of a kind that goes to the initiator.
func sends(op pdu.Opcode, n int64, a target.Action) func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule {
		return f.OnSend(target.Nth(n, target.All(target.Opcode(op), of)), a)
	}
}

// executes is a fault at the execution of a command.
func executes(a target.Action) func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule { return f.OnExecute(target.Once(of), a) }
}

// answers has the first n commands end so.
func answers(n int64, a target.Answer) func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule {
		return f.OnExecute(target.Between(1, n, of), target.AnswerWith(a))
	}
}

// stalls lets the target fall silent when it is about to answer.
func stalls() func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule { return f.OnSend(target.Once(of), target.Stall(f.gate)) }
}

// corrupts turns a bit around in the first answer that has it.
func corrupts(flip target.Flip) func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule { return f.OnSend(target.Once(of), target.Corrupt(flip)) }
}

// distorts turns a bit around in the first PDU of a kind that comes from the initiator,
// so many bytes behind its header; then rules seem broken.
func distorts(opcode byte, at int, rules ...string) func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule {
		f.tolerated = append(f.tolerated, rules...)
		f.line.arm(opcode, at)
		return f.OnReceive(target.Not(target.Any()), target.Pass())
	}
}

// tells sends an asynchronous message while a command is under way.
func tells(m pdu.AsyncMessage) func(*faulty, target.Match) *target.Rule {
	return whileHeld(func(f *faulty, _ pdu.BHS) { f.SendAsync(m, nil) })
}

// rejects sends a Reject of a command that is under way.
func rejects(reason pdu.RejectReason) func(*faulty, target.Match) *target.Rule {
	return whileHeld(func(f *faulty, command pdu.BHS) { f.SendReject(reason, command) })
}

// whileHeld holds the first command, does something, and lets it go on.
func whileHeld(do func(f *faulty, command pdu.BHS)) func(*faulty, target.Match) *target.Rule {
	return func(f *faulty, of target.Match) *target.Rule {
		held := make(chan pdu.BHS, 1)
		note := func(e *target.Event) { held <- e.PDU.Header }
		rule := f.OnExecute(target.Once(of), target.Do(note, target.Hold(f.gate)))
		go func() { do(f, <-held); f.gate.Release() }()
		return rule
	}
}

// flipper turns a bit around in what passes through a proxy to the target.
type flipper struct {
	mu      sync.Mutex
	opcode  byte
	at      int // in the segments behind the header; negative: nowhere
	flipped bool
}

// arm has a bit of the next PDU with an opcode turned around.
func (f *flipper) arm(opcode byte, at int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opcode, f.at, f.flipped = opcode, at, false
}

func (f *flipper) disarm() (flipped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	flipped = f.flipped
	f.at, f.flipped = -1, false
	return flipped
}

// watch is for one connection.
func (f *flipper) watch() func([]byte) { return pduReader{digests: true}.notes(f.flip) }

func (f *flipper) flip(header [bhsLength]byte, behind []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at >= 0 && header[0]&opcodeMask == f.opcode && len(behind) > f.at {
		behind[f.at] ^= 1
		f.at, f.flipped = -1, true
	}
}
