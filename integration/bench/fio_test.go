package main

import "testing"

// TestSweep: the parts of a file that a sweep reads in its rounds are within
// the file and apart from each other.
func TestSweep(t *testing.T) {
	const size, rounds = 1000 * mib, 3
	end := int64(0)
	for round := range rounds {
		offset, length := job{sweep: true}.area(size, turn{round: round, rounds: rounds})
		if offset < end || length < size/rounds-mib || offset%mib != 0 || offset+length > size {
			t.Errorf("round %d: %d bytes from %d, after one that ended at %d", round, length, offset, end)
		}
		end = offset + length
	}
}

func TestArea(t *testing.T) {
	if offset, length := (job{}).area(gib, turn{1, 3, 1}); offset != 0 || length != gib {
		t.Errorf("of a job without a span: %d bytes from %d", length, offset)
	}
	if offset, length := (job{span: mib}).area(gib, turn{1, 3, 1}); offset != 0 || length != mib {
		t.Errorf("of a job with a span of 1 MiB: %d bytes from %d", length, offset)
	}
}
