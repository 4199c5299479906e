package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestNonsense: whatever a target answers while its LUN is used, the daemon lives on in
// the memory that it may take, says so, and when the target has come to its senses the
// LUN is there again.
func TestNonsense(t *testing.T) {
	needRoot(t)
	for name, add := range nonsense() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			speakNonsense(t, add)
		})
	}
}

func speakNonsense(t *testing.T, add func(*scripted) []*target.Rule) {
	const cacheSize, more, recovery = 32 * mib, 96 * mib, time.Minute
	h := newHost(t)
	h.released = true
	lun, params := target.NewMemoryLUN(4*mib, 512), target.DefaultParams()
	params.DefaultTime2Wait = 0 // the next login is soon
	iqn := scriptedIQN + strings.NewReplacer("/", "-", ",", "-", "_", "-").Replace(strings.ToLower(t.Name()))
	s := h.scriptWith(target.Config{IQN: iqn, LUNs: []*target.LUN{lun}, Params: &params})
	s.tolerated = anyRule
	c := s.config("mode = \"none\"\nsize = \"32MiB\"\nlate_writes = \"write\"\n" +
		"[session]\nnoop_interval = \"1s\"\nnoop_timeout = \"1s\"\ncommand_timeout = \"1s\"\nlogin_timeout = \"2s\"\nreplacement_timeout = \"1s\"")
	c.iqn = iqn
	m := h.mount(c)
	daemon := m.daemon(t)
	rules := add(s)
	lun.QueueUnitAttention(0x3f, 0x03) // INQUIRY data has changed: it asks for all of it
	if !eventually(recovery, func() bool {
		h.readAndWrite(m.lun(0))
		h.iscsifs("rescan", m.point)
		if sent(rules) >= 3 {
			return true
		}
		s.CutConnections() // what comes with a login comes again
		return false
	}) {
		t.Errorf("the nonsense was sent %d times", sent(rules))
	}
	wantPlain(t, "status", h.mustIscsifs("status", "-vv", m.point))
	for _, rule := range rules {
		rule.Remove()
	}
	if !eventually(recovery, func() bool {
		h.iscsifs("rescan", m.point) // one may have removed a LUN that said it was another
		return h.run("dd", "if="+m.lun(0), "of=/dev/null", "bs=64k", "iflag=direct").code == 0
	}) {
		t.Errorf("the LUN does not come back:\n%s", h.mustIscsifs("status", "-v", m.point))
	}
	if now := m.daemon(t); now != daemon {
		t.Errorf("process %d serves the mount, it was %d", now, daemon)
	}
	if peak := peakMemory(t, daemon); peak > cacheSize+more {
		t.Errorf("the daemon took %d MiB, want %d at most", peak/mib, (cacheSize+more)/mib)
	}
	m.plainTree(t)
}

// sent counts how often rules have had their way.
func sent(rules []*target.Rule) (n int) {
	for _, rule := range rules {
		n += rule.Count()
	}
	return n
}

// readAndWrite reads and writes a LUN for a moment, in vain perhaps.
func (h *host) readAndWrite(file string) {
	h.t.Helper()
	h.run("timeout", fmt.Sprint(0.5*float64(*long)), "bash", "-c", `while :; do
		dd if="$1" of=/dev/null bs=64k iflag=direct status=none
		dd if=/dev/zero of="$1" bs=64k count=4 oflag=direct conv=notrunc status=none
	done 2>/dev/null`, "bash", file)
}

// anyRule is a tolerance for an initiator that answers nonsense.
var anyRule = []string{"*"}

// nonsense are ways to answer that no standard knows.
func nonsense() map[string]func(*scripted) []*target.Rule {
	dice := &dice{r: rand.New(rand.NewPCG(7, 7))}
	sending := func(share float64, of target.Match, a target.Action) func(*scripted) []*target.Rule {
		return func(s *scripted) []*target.Rule {
			return []*target.Rule{s.OnSend(target.All(of, func(*target.Event) bool { return dice.hit(share) }), a)}
		}
	}
	data := target.Edit(func(p *target.PDU) { dice.fill(p.Data) })
	longer := target.Edit(func(p *target.PDU) { p.Data = append(p.Data, dice.fill(make([]byte, 60<<10))...) })
	return map[string]func(*scripted) []*target.Rule{
		"headers": sending(0.1, target.Any(), target.Edit(func(p *target.PDU) { dice.fill(p.Header[:]) })),
		"fields":  sending(0.1, target.Any(), target.Edit(func(p *target.PDU) { dice.fill(p.Header[8+dice.below(36):][:4]) })),
		"lengths": sending(0.1, target.Any(), func(e *target.Event) {
			target.Corrupt(target.Flip{Section: target.Header, Byte: 4 + dice.below(4), Bit: uint(dice.below(8))})(e)
		}),
		"login keys":      sending(0.7, target.Opcode(pdu.OpLoginResp), data),
		"endless login":   sending(0.9, target.Opcode(pdu.OpLoginResp), target.Edit(func(p *target.PDU) { p.Header[1] &^= 0x8f; p.Header[1] |= 0x40 })),
		"INQUIRY, pages":  sending(0.7, target.OfCommand(target.OpInquiry), data),
		"long answers":    sending(0.5, target.OfCommand(target.OpInquiry, target.OpReportLUNs, target.OpModeSense6), longer),
		"LUNs, capacity":  sending(0.7, target.OfCommand(target.OpReportLUNs, target.OpServiceActionIn16, target.OpReadCapacity10), data),
		"mode pages":      sending(0.7, target.OfCommand(target.OpModeSense6, target.OpModeSense10), data),
		"twice":           sending(0.2, target.Any(), target.Duplicate()),
		"cut in a PDU":    sending(0.1, target.Any(), func(e *target.Event) { target.CutAt(dice.below(60))(e) }),
		"sense":           executing(dice),
		"storm of events": storm(dice),
	}
}

// executing ends commands with random status and sense data.
func executing(d *dice) func(*scripted) []*target.Rule {
	return func(s *scripted) []*target.Rule {
		return []*target.Rule{s.OnExecute(func(*target.Event) bool { return d.hit(0.5) }, func(e *target.Event) {
			statuses := []byte{2, 2, 2, 2, 4, 8, 0x18, 0x28, 0x40, 0xff}
			target.AnswerWith(target.Answer{Status: statuses[d.below(len(statuses))], Sense: d.fill(make([]byte, d.below(252)))})(e)
		})}
	}
}

// storm turns every third PDU into many asynchronous messages, rejects and pings.
func storm(d *dice) func(*scripted) []*target.Rule {
	return func(s *scripted) []*target.Rule {
		var rules []*target.Rule
		for _, op := range []pdu.Opcode{pdu.OpAsyncMessage, pdu.OpReject, pdu.OpNOPIn, pdu.OpR2T} {
			a := target.Edit(func(p *target.PDU) {
				p.Header[0], p.Header[36] = byte(op), byte(d.below(7))
				p.Data = d.fill(make([]byte, d.below(64)))
			})
			many := target.Do(a)
			for range 50 {
				many = target.Do(many, target.Duplicate())
			}
			rules = append(rules, s.OnSend(func(*target.Event) bool { return d.hit(0.08) }, many))
		}
		return rules
	}
}

// dice is chance that several goroutines share.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) hit(share float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64() < share
}
func (d *dice) below(n int) int { d.mu.Lock(); defer d.mu.Unlock(); return d.r.IntN(n) }

func (d *dice) fill(p []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range p {
		p[i] = byte(d.r.Uint32())
	}
	return p
}

// evil is text that would move a cursor, end a line, leave a directory, or turn the
// order of what follows it around, if it came through: ESC, CSI, BEL, newline, carriage
// return, NUL's neighbour, slash, right-to-left override, zero-width space, no UTF-8.
const evil = "\x1b[2J\u009b31m\a\n\r\x01/../\u202e\u200b\xff"

// TestHostileText: what a target says of itself reaches names, terminals and logs only
// as text that does nothing there.
func TestHostileText(t *testing.T) {
	h := newHost(t)
	identity := func(l *target.LUN) {
		l.Vendor, l.Product, l.Revision, l.Serial = "\x1b[2J\n/\xff", "\x1b]0;\a\n../..", "\x9b\x00\r\n", evil+strings.Repeat("A", 150)
		l.NAA = "-" // by-id is named after the T10 designator, which holds text
	}
	params := target.DefaultParams()
	params.TargetAlias = "alias" + evil
	s := h.scriptWith(target.Config{
		IQN: scriptedIQN, LUNs: []*target.LUN{target.NewMemoryLUN(mib, 512, identity)}, Params: &params,
		Others: []target.Node{
			{IQN: "iqn.2026-11.org.example:" + evil, LUNs: []*target.LUN{target.NewMemoryLUN(mib, 512)}},
			{IQN: "iqn.2026-11.org.example:../../../" + strings.Repeat("x", 300)},
			{IQN: "../../etc", Addresses: []string{evil + ":3260,1", "[" + evil + "]:3260,1", "127.0.0.1:3260" + evil + ",1"}},
		},
	})
	s.tolerated = anyRule
	for _, args := range [][]string{{"discover", s.Addr()}, {"discover", "--json", s.Addr()}, {"discover", "--toml", s.Addr()}, {"discover", "--luns", s.Addr()}} {
		r := h.iscsifs(args...)
		wantPlain(t, strings.Join(args, " "), r.stdout+r.stderr)
	}
	redirect := s.OnReceive(target.Opcode(pdu.OpLoginReq), target.Redirect(evil+":3260,1", false))
	r := h.tryMount(s.config(""))
	wantPlain(t, "redirected", r.stderr)
	if r.code == exitDone {
		t.Error("followed a redirect to nowhere")
	}
	redirect.Remove()

	m := &mounted{h: h, point: h.mountpoint(), config: h.writeConfig(s.config(""))}
	wantPlain(t, "mount", h.mustIscsifs("mount", m.config, m.point))
	t.Cleanup(m.umount)
	for _, args := range [][]string{{"status", m.point}, {"status", "-vv", m.point}, {"status", "--json", m.point}, {"check", "--connect", m.config}} {
		wantPlain(t, strings.Join(args, " "), h.mustIscsifs(args...))
	}
	wantPlain(t, "attributes", h.sh(`getfattr -e text -d -m - "$1"`, m.lun(0)))
	m.plainTree(t)
	reject := s.OnReceive(target.Opcode(pdu.OpLoginReq), target.Redirect(evil+":3260,1", false))
	s.CutConnections()
	reject.Await(1, patience)
	wantPlain(t, "status", h.mustIscsifs("status", "-vv", m.point))
	reject.Remove()
	log, err := os.ReadFile(h.path("log/daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	wantPlain(t, "log", string(log))
}

// wantPlain fails on what a terminal would not merely show.
func wantPlain(t *testing.T, where, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is no UTF-8: %q", where, text)
	}
	for line := range strings.Lines(text) {
		if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), unprintable); i >= 0 {
			t.Errorf("%s has %q in %q", where, line[i:min(i+4, len(line))], line)
		}
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }

// plainTree fails on names and links below the mountpoint that are not plain, or lead
// out of it.
func (m *mounted) plainTree(t *testing.T) {
	t.Helper()
	links := 0
	err := filepath.WalkDir(m.point, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		wantPlain(t, "the tree", entry.Name())
		if entry.Type()&os.ModeSymlink != 0 {
			links++
			to, err := filepath.EvalSymlinks(path)
			if err != nil || !below(to, m.point) {
				t.Errorf("%s leads to %s (%v)", path, to, err)
			}
		}
		return nil
	})
	if err != nil || links == 0 {
		t.Errorf("%d links, %v", links, err)
	}
}
