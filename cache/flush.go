package cache

// flush orders the write-back of a Volume. Each frame that becomes dirty gets
// the number of the generation that is open; a Sync closes it, and is answered
// when no frame of a closed generation is dirty or under way:
//
//	gen ≤ cut: urgent, counted in old │ gen = cut+1: dirty, counted in young
//
// The lists are in the order in which the frames became dirty.
type flush struct {
	cut        uint64 // the last generation that is closed
	urgent     list   // dirty frames up to cut
	dirty      list   // the other dirty frames
	written    list   // frames in the state written
	old, young int    // frames, and frames carried by commands, up to cut and after it
	syncNo     uint64 // of the next SYNCHRONIZE CACHE: it covers what has this gen or less
}

// open is the generation of what becomes dirty now.
func (fl *flush) open() uint64 { return fl.cut + 1 }

// close makes all that is dirty, or under way, urgent.
func (fl *flush) close(frames []frame) {
	fl.cut++
	fl.old += fl.young
	fl.young = 0
	fl.urgent.splice(frames, &fl.dirty)
}

// pend counts d frames of a generation.
func (fl *flush) pend(gen uint64, d int) {
	if gen <= fl.cut {
		fl.old += d
	} else {
		fl.young += d
	}
}

// pending tells whether something is dirty or under way.
func (fl *flush) pending() bool { return fl.old+fl.young > 0 }
