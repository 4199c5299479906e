package fusefs

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
)

// handle is an open LUN file. What it knows can be rebuilt from the LUN and the
// flags in its number, but for the gap.
type handle struct {
	node     *node
	file     *file // node.file
	fh       uint64
	opener   int           // process id; 0 = the kernel
	seen     atomic.Uint64 // file.lun.Failures() that this handle has reported
	cut      atomic.Bool   // every request fails
	released atomic.Bool   // closed, but what was written is yet being synchronized
	gap      *gap          // nil unless opened with O_TRUNC
}

// The low bits of a handle's number say how it was opened.
const (
	fhWriting = 1 << iota
	fhTruncated
	fhFlagBits = iota
)

func (h *handle) writing() bool { return h.fh&fhWriting != 0 }

// errEarlier reports a failure that another caller, or nobody, has seen.
var errEarlier = errors.New("data written earlier could not be made durable")

// sync makes durable what was written to the LUN, and reports once each failure
// since the file was opened.
func (h *handle) sync(r *request) error {
	lun := h.file.lun
	if lun.Unsynced() {
		if err := lun.Sync(r); err != nil {
			if r.cause() == 0 {
				h.seen.Store(lun.Failures())
			}
			return err
		}
	}
	if now := lun.Failures(); h.seen.Swap(now) != now {
		return errEarlier
	}
	return nil
}

// handleTable holds the open LUN files by number.
type handleTable struct {
	mu   sync.RWMutex
	last uint64 // number of handles made
	open map[uint64]*handle
}

// add makes the handle of a LUN file that is opened with the given flags of
// open(2).
func (t *handleTable) add(n *node, flags uint32, opener int) *handle {
	h := &handle{node: n, file: n.file, opener: opener}
	h.seen.Store(h.file.lun.Failures())
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		h.fh |= fhWriting
	}
	if flags&syscall.O_TRUNC != 0 && h.writing() {
		h.fh |= fhTruncated
		h.gap = newGap()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	h.fh |= t.last << fhFlagBits
	t.open[h.fh] = h
	return h
}

// get returns a handle by its number, or nil.
func (t *handleTable) get(fh uint64) *handle {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.open[fh]
}

// node returns a node by its id if it is open, or nil.
func (t *handleTable) node(id uint64) *node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, h := range t.open {
		if h.node.id == id {
			return h.node
		}
	}
	return nil
}

// remove takes a handle out of the table.
func (t *handleTable) remove(h *handle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, h.fh)
}

// cut makes the handles of l, nil = of all files, fail from now on, and ends
// what they wait for.
func (t *handleTable) cut(l *file) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, h := range t.open {
		if l == nil || h.file == l {
			h.cut.Store(true)
			h.file.waits.endAll(h)
		}
	}
}

// has tells whether somebody has the file open.
func (t *handleTable) has(l *file) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, h := range t.open {
		if h.file == l && !h.released.Load() {
			return true
		}
	}
	return false
}

// files lists the files that are open, each once.
func (t *handleTable) files() map[*file]struct{} {
	t.mu.RLock()
	defer t.mu.RUnlock()
	files := map[*file]struct{}{}
	for _, h := range t.open {
		files[h.file] = struct{}{}
	}
	return files
}
