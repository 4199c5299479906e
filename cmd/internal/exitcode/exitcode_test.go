package exitcode

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestOf(t *testing.T) {
	refused := Errorf(Refused, "target %s: wrong password", "iqn.x")
	tests := []struct {
		name string
		err  error
		want Code
	}{
		{"nothing", nil, Done},
		{"no code", errors.New("x"), Failed},
		{"plain", refused, Refused},
		{"wrapped twice", fmt.Errorf("a: %w", fmt.Errorf("b: %w", refused)), Refused},
		{"the outermost wins", With(InUse, refused), InUse},
		{"the first of several", errors.Join(errors.New("x"), With(Dirty, errors.New("y")), refused), Dirty},
		{"nil with a code", With(Usage, nil), Done},
	}
	for _, tt := range tests {
		if got := Of(tt.err); got != int(tt.want) {
			t.Errorf("%s: exit %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestErrorIsItsCause(t *testing.T) {
	err := With(Failed, fmt.Errorf("open: %w", fs.ErrNotExist))
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "open: file does not exist" {
		t.Errorf("%q hides its cause", err)
	}
}

func TestHelper(t *testing.T) {
	for code, want := range map[Code]Code{Done: 0, Usage: 1, Failed: 32, Refused: 32, Unreachable: 32, InUse: 32, Dirty: 32} {
		if got := code.Helper(); got != want {
			t.Errorf("code %d: helper exits %d, want %d", code, got, want)
		}
	}
}
