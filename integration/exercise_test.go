package integration

import (
	"bytes"
	"cmp"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

var exerciseSeed = flag.Uint64("exercise-seed", 0, "of the random operations on a LUN's file; 0 = another each time")

// exerciseDisk is so small that operations overlap, and larger than what a cache of the
// least size may hold of it.
const exerciseDisk = 8 * mib

// exercise does random operations on a LUN's file, which is nobody else's.
func (h *host) exercise(path string) {
	h.t.Helper()
	length := 2 * time.Second
	if *long > 1 {
		length = time.Duration(*long) * 12 * time.Second
	}
	seed := cmp.Or(*exerciseSeed, uint64(time.Now().UnixNano()))
	h.t.Logf("-exercise-seed %d", seed)
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd, cancel := h.command(self, path, strconv.FormatUint(seed, 10), length.String())
	defer cancel()
	cmd.Env = append(cmd.Env, exerciserVar+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Errorf("%v\n%s", err, out)
	}
}

// TestExercise: random operations on a LUN's file find what a plain file would hold,
// whatever the target can.
func TestExercise(t *testing.T) {
	for name, c := range map[string]struct {
		blockSize int
		options   []target.Option
		cache     string
	}{
		"thin":                   {512, []target.Option{target.Thin(), target.WriteCache()}, smallCache},
		"thin, 4 KiB blocks":     {4096, []target.Option{target.Thin()}, smallCache},
		"UNMAP, ignored in part": {512, []target.Option{target.Thin(), target.FreedBy(target.OpUnmap), target.Ignoring(target.IgnoreOdd)}, smallCache},
		"no zeroes (LBPRZ)":      {512, []target.Option{target.ThinUndefined()}, smallCache},
		"fixed":                  {4096, nil, smallCache + "readahead = \"0\"\n"},
		"written through":        {512, []target.Option{target.Thin()}, smallCache + "mode = \"writethrough\"\n"},
		"not cached":             {4096, []target.Option{target.Thin()}, smallCache + "mode = \"none\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			needRoot(t)
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(exerciseDisk, c.blockSize, c.options...))
			m := h.mount(s.config(c.cache))
			h.exercise(m.lun(0))
			h.sh(`cat "$1" > "$2"`, m.lun(0), h.path("copy"))
			m.umount()
			want, err := os.ReadFile(h.path("copy"))
			if err != nil || !bytes.Equal(s.medium(t, 0, 0, exerciseDisk), want) {
				t.Errorf("the medium holds something else (%v)", err)
			}
		})
	}
}

// TestExerciseUnderPowerCuts: so they do while the target loses its power, and what it
// had answered for, again and again.
func TestExerciseUnderPowerCuts(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(exerciseDisk, 512, target.Thin(), target.WriteCache()))
	m := h.mount(s.config(smallCache + "flush_interval = \"500ms\"\n"))
	done := make(chan struct{})
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for {
			select {
			case <-done:
				return
			case <-time.After(300 * time.Millisecond):
				if err := s.PowerCut(); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	h.exercise(m.lun(0))
	close(done)
	<-cut
	h.sh(`cat "$1" > "$2"; sync "$1"`, m.lun(0), h.path("copy"))
	if err := s.luns[0].PowerCut(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(h.path("copy"))
	if err != nil || !bytes.Equal(s.medium(t, 0, 0, exerciseDisk), want) {
		t.Errorf("what was synchronized is not on the medium (%v)", err)
	}
}

// TestExerciser: it finds what is wrong with a file, here a plain one.
func TestExerciser(t *testing.T) {
	h := newHost(t)
	path := h.write("file", strings.Repeat("x", mib), 0o600)
	x, err := newExerciser(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(x.dio)
	x.dio = x.fd // not all file systems take O_DIRECT at any offset
	if err := x.run(500); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path, os.O_RDWR).WriteAt(bytes.Repeat([]byte("y"), mib/2), mib/4); err != nil {
		t.Fatal(err)
	}
	err = x.run(500)
	if err == nil || !strings.Contains(err.Error(), "seed 1, operation ") || strings.Count(err.Error(), "\n\t") < shownOperations-1 {
		t.Error(err)
	}
	if err := x.compare(); err == nil {
		t.Error("all of it is right")
	}
	unix.Close(x.fd)
}
