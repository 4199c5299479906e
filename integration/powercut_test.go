package integration

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestPowerCutLosesNothing: the target's power fails again and again while writers
// write and synchronize, so that it loses what it had answered for. After the next
// fsync all of it stands on the medium.
func TestPowerCutLosesNothing(t *testing.T) {
	const writers = 4
	for _, mode := range []string{"writeback", "writethrough", "none"} {
		t.Run(mode, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(smallDisk, 512, target.WriteCache()))
			m := h.mount(s.config("flush_interval = \"200ms\"\nmode = \"" + mode + "\""))
			want := make([]byte, smallDisk)
			var running sync.WaitGroup
			for w := range writers {
				part := want[w*smallDisk/writers:][:smallDisk/writers]
				f := open(t, m.lun(0), os.O_RDWR)
				running.Go(func() { writeAndSync(t, f, part, int64(w)*smallDisk/writers, uint64(w)) })
			}
			s.cutPowerDuring(t, running.Wait)
			f := open(t, m.lun(0), os.O_RDWR)
			if err := s.PowerCut(); err != nil { // once more behind the last write
				t.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			if err := s.luns[0].PowerCut(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.medium(t, 0, 0, smallDisk), want) {
				t.Error("after power cuts and an fsync the medium lacks some of what was written")
			}
		})
	}
}

// writeAndSync fills part, which begins at base of the file, with random pieces, some
// of them twice and more, with an fsync now and then.
func writeAndSync(t *testing.T, f *os.File, part []byte, base int64, seed uint64) {
	rng := rand.New(rand.NewPCG(5, seed))
	fresh := noise(seed)
	for range 120 {
		off := rng.IntN(len(part) - 64*kib)
		piece := part[off:][:1+rng.IntN(64*kib)]
		fresh.Read(piece)
		if _, err := f.WriteAt(piece, base+int64(off)); err != nil {
			t.Error(err)
			return
		}
		if rng.IntN(25) == 0 {
			if err := f.Sync(); err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// cutPowerDuring cuts the target's power and its connections a few times while work
// goes on, and returns with it; work must not have ended before.
func (s *scripted) cutPowerDuring(t *testing.T, work func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { work(); close(done) }()
	for range 5 {
		select {
		case <-done:
			t.Error("the work has ended before the last power cut")
			return
		case <-time.After(300 * time.Millisecond):
		}
		if err := s.PowerCut(); err != nil {
			t.Fatal(err)
		}
	}
	<-done
}

// TestRestartUnderExt4: fio and ext4 on a loop device do not notice that the target
// loses its power a few times.
func TestRestartUnderExt4(t *testing.T) {
	needTools(t, "fio", "losetup", "mkfs.ext4")
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(64*mib, 512, target.WriteCache()))
	m := h.mount(s.config(smallCache + "flush_interval = \"500ms\""))
	loop := h.attachLoop(m.lun(0), "--direct-io=on")
	h.sh(ext4.mkfs, loop)
	point := h.mountFS(loop, "rw")
	job := append(append(verifiedLoads["psync"], verified...), "--size=3m")
	s.cutPowerDuring(t, func() { h.fio(job, point+"/file", "--rate_iops=100") })
	h.sh(`umount "$1"; losetup -d "$2"`, point, loop)
	m.umount()
	if err := s.PowerCut(); err != nil {
		t.Fatal(err)
	}
	copied := h.write("medium", string(s.medium(t, 0, 0, 64*mib)), 0o600)
	h.sh(ext4.check, copied)
	point = h.mountFS(copied, "loop")
	h.fio(job, point+"/file", "--verify_only=1")
	h.sh(`umount "$1"`, point)
}

// TestPowerCutOfBoth: iscsifs is killed under writers and the target loses its power with
// it. Each sector then holds a version no older than the last one that an fsync answered
// for, and no newer than the last one that was written.
func TestPowerCutOfBoth(t *testing.T) {
	const writers = 4
	for _, mode := range []string{"writeback", "writethrough"} {
		t.Run(mode, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(smallDisk, 512, target.WriteCache()))
			m := h.mount(s.config("flush_interval = \"100ms\"\nmode = \"" + mode + "\""))
			daemon := m.daemon(t)
			var running sync.WaitGroup
			var parts [writers]versions
			for w := range writers {
				f := open(t, m.lun(0), os.O_RDWR)
				running.Go(func() { parts[w].write(f, int64(w), writers) })
			}
			for w := range parts {
				if !eventually(patience, func() bool { return parts[w].syncs.Load() >= 3 }) {
					t.Errorf("writer %d gets nowhere", w)
				}
			}
			if err := unix.Kill(daemon, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := s.PowerCut(); err != nil {
				t.Fatal(err)
			}
			running.Wait()
			medium := s.medium(t, 0, 0, smallDisk)
			durable := 0
			for w := range parts {
				durable += parts[w].check(t, medium, int64(w), writers)
			}
			if durable < 2*writers {
				t.Errorf("%d sectors were synchronized: nothing was tested", durable)
			}
			m.umount()
		})
	}
}

// versions are what one writer has done to its sectors, by number.
type versions struct {
	begun, durable [256]uint64
	syncs          atomic.Int32
}

// write writes versions to sectors, every writers-th from the first on, with an fsync now
// and then, until the file fails.
func (v *versions) write(f *os.File, first, writers int64) {
	defer f.Close()
	rng := rand.New(rand.NewPCG(6, uint64(first)))
	p := make([]byte, 512)
	for n := uint64(1); ; n++ {
		b := rng.Int64N(int64(len(v.begun)))
		for i := 0; i < len(p); i += 8 {
			binary.LittleEndian.PutUint64(p[i:], n)
		}
		v.begun[b] = n
		if _, err := f.WriteAt(p, (b*writers+first)*int64(len(p))); err != nil {
			return
		}
		if rng.IntN(20) > 0 {
			continue
		}
		if err := f.Sync(); err != nil {
			return
		}
		v.durable = v.begun
		v.syncs.Add(1)
	}
}

// check compares a medium with what may be there, and returns how many sectors an fsync
// has answered for.
func (v *versions) check(t *testing.T, medium []byte, first, writers int64) (durable int) {
	t.Helper()
	for b := range v.begun {
		p := medium[(int64(b)*writers+first)*512:][:512]
		n := binary.LittleEndian.Uint64(p)
		for i := 0; i < len(p); i += 8 {
			if binary.LittleEndian.Uint64(p[i:]) != n {
				t.Errorf("sector %d of writer %d is torn", b, first)
				break
			}
		}
		if n < v.durable[b] || n > v.begun[b] {
			t.Errorf("sector %d of writer %d holds version %d: %d is durable, %d the last", b, first, n, v.durable[b], v.begun[b])
		}
		if v.durable[b] > 0 {
			durable++
		}
	}
	return durable
}
