package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// longTimeouts keep a target that hangs from being given up.
const longTimeouts = "\n[session]\ncommand_timeout = \"10m\"\nreplacement_timeout = \"10m\"\nflush_timeout = \"10m\"\nnoop_interval = \"0s\""

// TestHungTarget: of two targets one stops answering under 64 synchronous writers and
// 512 requests of libaio. The other's readers and writers go on as if it were alone, as
// one of a mount of its own is at the same time, and what the first was given is written
// once it answers.
func TestHungTarget(t *testing.T) {
	needTools(t, "fio")
	h := newHost(t)
	h.released = true
	hung := h.script(target.NewMemoryLUN(64*mib, 512, uniqueNAA("0a1")))
	other := h.scriptAs(scriptedIQN+".b", target.NewMemoryLUN(64*mib, 512, uniqueNAA("0b1")))
	c := hung.config("size = \"32MiB\"") // below the LUN, so that reads go to the target
	c.tables += longTimeouts
	c.target = "directory = \"a\"\n\n[[target]]\nportals = [\"" + other.Addr() + "\"]\niqn = \"" + scriptedIQN + ".b\"\ndirectory = \"b\""
	m := h.mount(c)
	first, second := m.point+"/a/lun0", m.point+"/b/lun0"

	reads := fioJob{"--ioengine=psync", "--rw=randread", "--bs=4k", "--size=64m", "--runtime=2", "--time_based"}
	writes := fioJob{"--ioengine=psync", "--rw=randwrite", "--bs=4k", "--size=64m", "--io_size=4m", "--end_fsync=1"}
	third := mountedAlone(t)

	gate := target.NewGate()
	rule := hung.OnExecute(scriptedWrites, target.Hold(gate))
	released := false
	release := func() {
		if !released {
			released = true
			rule.Remove()
			gate.Release()
		}
	}
	t.Cleanup(release)
	sync := h.load(fioJob{"--ioengine=psync", "--rw=randwrite", "--bs=4k", "--size=1m", "--offset_increment=1m", "--numjobs=64", "--thread", "--sync=dsync", "--io_size=64k"}, first)
	aio := h.load(fioJob{"--ioengine=libaio", "--rw=randwrite", "--bs=4k", "--size=64m", "--iodepth=512", "--io_size=16m"}, first)
	if !rule.Await(1, patience) {
		t.Fatal("no write has come to the target that is to hang")
	}

	var ratio float64
	for range 5 { // another's load on this machine passes, a hung LUN's does not
		meanwhile := h.load(reads, third)
		beside := h.fio(reads, second).Jobs[0].Read
		alone := meanwhile.within(commandTimeout).Jobs[0].Read
		before, during := alone.Latency.Percentile["99.000000"], beside.Latency.Percentile["99.000000"]
		ratio = float64(during) / float64(before)
		t.Logf("reads of 4 KiB: %.0f/s alone, %.0f/s beside a hung LUN; p99 %v and %v, ratio %.2f; longest %v", alone.IOPS, beside.IOPS,
			time.Duration(before), time.Duration(during), ratio, time.Duration(beside.Latency.Max))
		if longest := time.Duration(beside.Latency.Max); beside.IOs < 100 || longest > patience/2 {
			t.Errorf("%d reads beside a hung LUN, the longest took %v", beside.IOs, longest)
		}
		if ratio <= 2 {
			break
		}
	}
	if ratio > 2 {
		t.Errorf("beside a hung LUN the p99 of reads is %.1f times what it is alone, want 2 at most", ratio)
	}
	h.fio(writes, second)
	if sync.ended() || aio.ended() {
		t.Error("the writers have ended, though the target hangs: nothing was tested")
	}
	release()
	sync.wait()
	aio.wait()
	m.umount()
}

// mountedAlone mounts the LUN of a target that is the only one of its mount.
func mountedAlone(t *testing.T) string {
	t.Helper()
	h := newHost(t)
	h.released = true
	iqn := scriptedIQN + ".c"
	s := h.scriptAs(iqn, target.NewMemoryLUN(64*mib, 512, uniqueNAA("0d1")))
	c := s.config("size = \"32MiB\"")
	c.iqn = iqn
	return h.mount(c).lun(0)
}

// load is fio in the background.
type load struct {
	h      *host
	cmd    *exec.Cmd
	output strings.Builder
	done   chan error // has the outcome once fio has ended
}

// load starts fio; it ends with the test at the latest.
func (h *host) load(job fioJob, path string) *load {
	h.t.Helper()
	cmd, cancel := h.command("fio", job.on(path)...)
	l := &load{h: h, cmd: cmd, done: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = &l.output, &l.output
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() { l.done <- cmd.Wait(); close(l.done) }()
	h.t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); <-l.done; cancel() })
	return l
}

func (l *load) ended() bool { return len(l.done) > 0 }

// wait returns when fio has done all it was told.
func (l *load) wait() {
	l.h.t.Helper()
	if err := <-l.done; err != nil {
		l.h.t.Errorf("%s: %v\n%s", l.cmd, err, tail(l.output.String(), 2000))
	}
}
