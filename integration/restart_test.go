package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// restartable is a target that a test ends as its machine's power would, and
// starts again.
type restartable struct {
	config   config
	lun      int
	restart  func() error
	progress func() int64  // is another when the target has executed a write
	medium   func() string // a file with what stands on the LUN
}

const (
	restartDisk = 192 * mib
	restarts    = 15      // of each target
	restartData = gib / 4 // written meanwhile by each
)

// restartLoads verify what they wrote, some of it soon and all of it in the end.
var restartLoads = map[string]fioJob{
	"libaio": {"--ioengine=libaio", "--iodepth=16", "--direct=1", "--rw=randwrite", "--bsrange=4k-256k", "--fsync=32", "--serialize_overlap=1"},
	"psync":  {"--ioengine=psync", "--direct=1", "--rw=randwrite", "--bsrange=4k-128k", "--fsync=32"},
}

// TestRestarts: fio and ext4 on a loop device do not notice that the target is
// killed and started again, 60 times in all: "A lost connection, a restarted
// target ... is not an I/O error: I/O waits and goes on, with nothing lost"
// (promise 2), also where the target has lost its volatile cache (promise 7).
func TestRestarts(t *testing.T) {
	needTools(t, "fio", "losetup", "mkfs.ext4")
	t.Parallel()
	var all sync.WaitGroup // at once: most of the time passes in DefaultTime2Wait
	for name, serve := range map[string]func(h *host, iqn string) restartable{"tgt": restartableTGT, "volatile cache": restartableVolatile} {
		for load, job := range restartLoads {
			all.Go(func() {
				t.Run(name+"/"+load, func(t *testing.T) {
					h := newHost(t)
					h.released = true // the data is to be much
					r := serve(h, scriptedIQN+"."+load)
					r.config.tables = "[cache]\n" + smallCache + "[session]\nreplacement_timeout = \"30s\"" // so that reads go to the target
					h.ext4UnderLoad(h.mount(r.config), r, job)
				})
			})
		}
	}
	all.Wait()
}

func restartableTGT(h *host, iqn string) restartable {
	s := h.serveAs(iqn, nil, disk{size: restartDisk})
	return restartable{
		config: s.config(), lun: 1,
		restart: func() error { s.daemon.Kill(); return s.daemon.Restart() },
		progress: func() int64 {
			info, err := os.Stat(s.backing[1])
			if err != nil {
				return 0
			}
			return info.ModTime().UnixNano()
		},
		medium: func() string { return s.backing[1] },
	}
}

func restartableVolatile(h *host, iqn string) restartable {
	s := h.scriptAs(iqn, target.NewMemoryLUN(restartDisk, 512, target.WriteCache()))
	c := s.config("")
	c.iqn = iqn
	return restartable{
		config: c, lun: 0, restart: s.restart,
		progress: func() int64 { return int64(s.Counters().ByOpcode[opWrite10]) },
		medium: func() string {
			if err := s.PowerCut(); err != nil { // what was not synchronized is not there
				h.t.Error(err)
			}
			return h.write("medium", string(s.medium(h.t, 0, 0, restartDisk)), 0o600)
		},
	}
}

// restart is a power failure: for a while nobody answers, and the cache is lost.
func (s *scripted) restart() error {
	if err := s.StopListening(); err != nil {
		return err
	}
	if err := s.PowerCut(); err != nil {
		return err
	}
	return s.Listen()
}

// ext4UnderLoad runs the load on a file system on the LUN while the target is
// restarted, and looks for what was written last without iscsifs.
func (h *host) ext4UnderLoad(m *mounted, r restartable, job fioJob) {
	h.t.Helper()
	loop := h.attachLoop(m.lun(r.lun), "--direct-io=on")
	h.sh(ext4.mkfs, loop)
	point := h.mountFS(loop, "rw")
	job = append(job[:len(job):len(job)], "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=64", "--size=16m", "--offset_increment=16m", "--numjobs=4")

	ended := make(chan error, 1)
	go func() { ended <- r.restartOften(restarts * *long) }()
	written, seed := int64(0), int64(0)
	for running := true; running || written < restartData; {
		seed++ // so that old data is wrong data
		result := h.fio(job, point+"/file", "--randseed="+itoa(seed)).Jobs[0]
		written += result.Write.Bytes
		select {
		case err := <-ended:
			running = false
			if err != nil {
				h.t.Error(err)
			}
		default:
		}
	}
	h.t.Logf("%d MiB written in %d runs of fio", written/mib, seed)
	// A write that was under way at one restart can be taken for progress after it, so
	// that the next comes before the session is back.
	if n, want := m.target().Reconnects, restarts**long*2/3; n < want {
		h.t.Errorf("status counts %d reconnects, want at least %d", n, want)
	}
	h.sh(`umount "$1"; losetup -d "$2"`, point, loop)
	m.umount()
	h.verifyExt4(r.medium(), job, "--randseed="+itoa(seed))
}

// verifyExt4 checks the file system in a file, and that fio's file in it holds
// what the job wrote.
func (h *host) verifyExt4(medium string, job fioJob, more ...string) {
	h.t.Helper()
	h.sh(ext4.check, medium)
	point := h.mountFS(medium, "loop") // fio opens for writing what it only verifies
	h.fio(job, point+"/file", append(more, "--verify_only=1")...)
	h.sh(`umount "$1"`, point)
}

// restartOften restarts the target n times, each time once it has written again
// for a while.
func (r restartable) restartOften(n int) error {
	for i := range n {
		for range 1 + rand.N(10) {
			before := r.progress()
			if !eventually(patience, func() bool { return r.progress() != before }) {
				return fmt.Errorf("after %d restarts the target writes nothing for 30s", i)
			}
		}
		if err := r.restart(); err != nil {
			return fmt.Errorf("restart %d: %w", i+1, err)
		}
	}
	return nil
}
