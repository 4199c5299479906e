package cache

// list is a queue of frames, linked through frame.prev and frame.next. A frame
// is in one list at most.
type list struct {
	head, tail frameID // oldest, newest
	len        int
}

func (l *list) push(frames []frame, id frameID) {
	f := &frames[id]
	f.prev, f.next = l.tail, 0
	if l.tail == 0 {
		l.head = id
	} else {
		frames[l.tail].next = id
	}
	l.tail = id
	l.len++
}

func (l *list) remove(frames []frame, id frameID) {
	f := &frames[id]
	if f.prev == 0 {
		l.head = f.next
	} else {
		frames[f.prev].next = f.next
	}
	if f.next == 0 {
		l.tail = f.prev
	} else {
		frames[f.next].prev = f.prev
	}
	l.len--
}

// substitute puts id in the place of old.
func (l *list) substitute(frames []frame, old, id frameID) {
	f := &frames[id]
	f.prev, f.next = frames[old].prev, frames[old].next
	if f.prev == 0 {
		l.head = id
	} else {
		frames[f.prev].next = id
	}
	if f.next == 0 {
		l.tail = id
	} else {
		frames[f.next].prev = id
	}
}

// splice appends all of other, which is empty afterwards.
func (l *list) splice(frames []frame, other *list) {
	switch {
	case other.len == 0:
		return
	case l.len == 0:
		*l = *other
	default:
		frames[l.tail].next = other.head
		frames[other.head].prev = l.tail
		l.tail = other.tail
		l.len += other.len
	}
	*other = list{}
}
