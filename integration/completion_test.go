package integration

import (
	"strings"
	"testing"
)

// completeIn asks the completion for bash, as bash does, what may follow the words. What
// it takes from the package bash-completion is a function that tells it the words.
const completeIn = `
source <("$1" completion bash)
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}; }
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_TYPE=9
COMP_POINT=${#COMP_LINE}
__start_iscsifs
printf '%s\n' "${COMPREPLY[@]}"
`

// TestCompletion: a shell completes the mountpoints of live mounts, and their targets.
func TestCompletion(t *testing.T) {
	needTools(t, "bash")
	h, s, m := oneLUN(t)
	typed := m.point[:len(m.point)-1] // others may be mounted here
	for _, c := range []struct{ words, want string }{
		{"umount " + typed, m.point},
		{"status --json " + typed, m.point},
		{"sync " + m.point + " ", s.IQN},
		{"login " + m.point + " iqn.", s.IQN},
		{"login " + m.point + " al", "all"},
		{"resc", "rescan"},
	} {
		words := append([]string{h.program()}, strings.Split(c.words, " ")...)
		got := h.sh("set +eu; "+completeIn, words...)
		if strings.TrimSpace(got) != c.want {
			t.Errorf("iscsifs %s completes to %q, want %q", c.words, got, c.want)
		}
	}
}
