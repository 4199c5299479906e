package reclaim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	neverKilled = -1000 // OOM_SCORE_ADJ_MIN
	ownScore    = "/proc/self/oom_score_adj"
)

// original is the oom_score_adj before it was lowered; nil where it was not.
var original atomic.Pointer[int]

// lowerScore lowers oom_score_adj as far as this process may: without
// CAP_SYS_RESOURCE to what a privileged one has let it have.
func (p *Protection) lowerScore() (gap string) {
	before, err := readScore(ownScore)
	if err != nil {
		return fmt.Sprintf("whether the kernel's out-of-memory killer spares this daemon cannot be told (%v)", err)
	}
	p.OOMScoreAdj = lowest(before, func(score int) bool { return writeScore(ownScore, score) == nil })
	if p.OOMScoreAdj < before {
		original.Store(&before)
	}
	if p.OOMScoreAdj > neverKilled {
		return fmt.Sprintf("the kernel's out-of-memory killer may take this daemon (oom_score_adj %d; lower needs CAP_SYS_RESOURCE)", p.OOMScoreAdj)
	}
	return ""
}

// lowest takes the lowest score that set allows, by bisection, and returns it; before
// is the one that holds.
func lowest(before int, set func(score int) bool) int {
	if set(neverKilled) {
		return neverKilled
	}
	// The last call that succeeds is that of the lowest one: each is below those before.
	steps := sort.Search(before-neverKilled, func(i int) bool { return set(neverKilled + i) })
	return neverKilled + steps
}

// Release lets the kernel's out-of-memory killer take a child of this process as it
// could have before [Protect]. That the child has ended already is no error.
func Release(pid int) error {
	before := original.Load()
	if before == nil {
		return nil
	}
	err := writeScore("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", *before)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

func readScore(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func writeScore(path string, score int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(score))
	return errors.Join(err, f.Close())
}
