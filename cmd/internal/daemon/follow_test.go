package daemon

import (
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/initiator"
)

// What a target says of space is told when it becomes worse, and when a pool that was
// used up has space again; a soft threshold does not end.
func TestSpaceIsTold(t *testing.T) {
	const enough, low, exhausted = initiator.SpaceEnough, initiator.SpaceLow, initiator.SpaceExhausted
	for _, c := range []struct {
		was, now initiator.SpaceState
		want     string // in the one line; "": there is none
	}{
		{enough, enough, ""}, {low, low, ""}, {exhausted, exhausted, ""},
		{enough, low, "soft threshold"}, {enough, exhausted, "no space left"}, {low, exhausted, "no space left"},
		{exhausted, low, "space again"}, {exhausted, enough, "space again"}, {low, enough, ""},
	} {
		lines := facts{space: c.was}.changes(facts{space: c.now})
		if text := strings.Join(lines, "\n"); (c.want == "") != (text == "") || !strings.Contains(text, c.want) || len(lines) > 1 {
			t.Errorf("from %q to %q: %q", c.was, c.now, lines)
		}
	}
}
