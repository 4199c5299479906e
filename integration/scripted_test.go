package integration

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// scriptedIQN is another in each run: one logical unit is used once on a host, and
// its target's name is what tells it from those of other runs.
var scriptedIQN = fmt.Sprintf("iqn.2026-11.org.example.script-%d:disks", os.Getpid())

// uniqueNAA is a designator that is another in each run, for the same reason; three hex
// digits tell those of a run apart.
func uniqueNAA(digits string) target.Option {
	return target.NAA(fmt.Sprintf("6001405%022x%s", os.Getpid(), digits))
}

// scripted is a target in this process, whose medium and log of commands a test
// sees and whose answers it scripts. It is strict: a breach of RFC 7143 fails the test.
type scripted struct {
	*target.Target
	luns      []*target.LUN
	tolerated []string // rules that the test makes the initiator seem to break
}

// script starts a target with LUNs 0, 1, …
func (h *host) script(luns ...*target.LUN) *scripted {
	h.t.Helper()
	return h.scriptAs(scriptedIQN, luns...)
}

func (h *host) scriptAs(iqn string, luns ...*target.LUN) *scripted {
	h.t.Helper()
	return h.scriptWith(target.Config{IQN: iqn, LUNs: luns, Strict: true})
}

func (h *host) scriptWith(c target.Config) *scripted {
	h.t.Helper()
	needRoot(h.t)
	needDevice(h.t, "/dev/fuse")
	running, err := target.New(c)
	if err == nil {
		err = running.Start("127.0.0.1:0")
	}
	if err != nil {
		h.t.Fatal(err)
	}
	s := &scripted{Target: running, luns: c.LUNs}
	h.t.Cleanup(func() { s.end(h.t) })
	return s
}

func (s *scripted) end(t *testing.T) {
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, v := range s.Violations() {
		if !slices.Contains(s.tolerated, v.Name) && !slices.Equal(s.tolerated, anyRule) {
			t.Errorf("the initiator broke %s", v)
		}
	}
}

// config is the configuration that mounts the target, with lines for [cache].
func (s *scripted) config(cache string) config {
	return config{portal: s.Addr(), iqn: scriptedIQN, tables: "[cache]\n" + cache}
}

// medium is what stands on a LUN, whatever anybody holds in memory.
func (s *scripted) medium(t *testing.T, lun int, off, n int64) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := s.luns[lun].ReadAt(p, off); err != nil {
		t.Fatal(err)
	}
	return p
}

// since returns the commands that came after the first n.
func (s *scripted) since(n int) []target.Command { return s.Commands()[n:] }

// isWrite and isRead tell the commands that carry data.
func isWrite(c target.Command) bool { return c.Opcode == opWrite10 || c.Opcode == opWrite16 }
func isRead(c target.Command) bool {
	return c.Opcode == target.OpRead10 || c.Opcode == target.OpRead16
}
func isSynchronize(c target.Command) bool {
	return c.Opcode == opSynchronizeCache10 || c.Opcode == opSynchronizeCache16
}

// data matches the commands of reads or writes in a script.
var (
	scriptedWrites = target.SCSI(target.OpWrite10, target.OpWrite16)
	scriptedReads  = target.SCSI(target.OpRead10, target.OpRead16)
)

// volume sums up the data of commands: how many, and how many bytes together.
func volume(commands []target.Command, of func(target.Command) bool) (n int, bytes int64) {
	for _, c := range commands {
		if of(c) {
			n++
			bytes += int64(c.Bytes)
		}
	}
	return n, bytes
}
