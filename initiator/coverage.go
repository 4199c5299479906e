package initiator

import "slices"

// byteRange is the half-open range [from, to) of a command's data.
type byteRange struct{ from, to int }

// cover notes that [from, to) was received and tells whether no byte of it was
// received before. It matters where DataSequenceInOrder=No lets a target send
// its sequences in any order: a lost range must not hide behind a repeated one.
func (t *task) cover(from, to int) bool {
	i, _ := slices.BinarySearchFunc(t.ranges, from, func(r byteRange, from int) int { return r.from - from })
	if i > 0 && t.ranges[i-1].to > from || i < len(t.ranges) && t.ranges[i].from < to {
		return false
	}
	if i > 0 && t.ranges[i-1].to == from {
		t.ranges[i-1].to = to
		return true
	}
	t.ranges = slices.Insert(t.ranges, i, byteRange{from, to})
	return true
}
