package fusefs

import (
	"cmp"
	"slices"
)

// OpenFile says who has a LUN file open. An open file that was handed from one
// process to others counts once, for the process that opened it; a loop device
// counts for the process that set it up, even after its end.
type OpenFile struct {
	Path    string // from the mountpoint on
	Readers int    // open files that can only be read
	Writers int    // open files that can be written
	PIDs    []int  // of the processes that opened them, ascending, each once
}

// OpenFiles lists the LUN files that are open, by path.
func (f *FS) OpenFiles() []OpenFile {
	f.handles.mu.RLock()
	defer f.handles.mu.RUnlock()
	var all []OpenFile
	for _, h := range f.handles.open {
		if h.released.Load() {
			continue
		}
		i, found := slices.BinarySearchFunc(all, h.file.path, func(o OpenFile, path string) int {
			return cmp.Compare(o.Path, path)
		})
		if !found {
			all = slices.Insert(all, i, OpenFile{Path: h.file.path})
		}
		all[i].count(h)
	}
	return all
}

func (o *OpenFile) count(h *handle) {
	if h.writing() {
		o.Writers++
	} else {
		o.Readers++
	}
	if i, found := slices.BinarySearch(o.PIDs, h.opener); !found && h.opener != 0 {
		o.PIDs = slices.Insert(o.PIDs, i, h.opener)
	}
}
