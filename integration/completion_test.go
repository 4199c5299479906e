package integration

import (
	"path/filepath"
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

// completed is what each shell is to make of words, when m is mounted with the target s.
func completed(m *mounted, s *served) []struct{ words, want string } {
	typed := m.point[:len(m.point)-1] // others may be mounted here
	return []struct{ words, want string }{
		{"resc", "rescan"},
		{"umount --disc", "--discard-dirty"},
		{"umount " + typed, m.point},
		{"sync " + m.point + " iqn.", s.IQN},
		{"login " + m.point + " al", "all"},
		{"mount -o ro,wa", "ro,wait="},
	}
}

// TestCompletionInFish asks fish what it would complete.
func TestCompletionInFish(t *testing.T) {
	needTools(t, "fish")
	h, s, m := oneLUN(t)
	for _, c := range completed(m, s) {
		got := h.sh(`PATH="${1%/*}:$PATH" fish --no-config -c 'iscsifs completion fish | source; complete -C "iscsifs $argv"' "$2"`, h.program(), c.words)
		if got, _, _ := strings.Cut(strings.TrimSpace(got), "\t"); got != c.want {
			t.Errorf("iscsifs %s completes to %q, want %q", c.words, got, c.want)
		}
	}
}

// TestCompletionInZsh types at zsh on a terminal: words, the tab key, and then a command
// before them that shows what has become of them.
func TestCompletionInZsh(t *testing.T) {
	needTools(t, "zsh")
	h, s, m := oneLUN(t)
	term, cmd := h.onTerminal("zsh", "-f", "-i")
	term.await(0, "# ")
	term.enter("path=(" + filepath.Dir(h.program()) + " $path); autoload -U compinit && compinit -D -u; source <(iscsifs completion zsh); print re''ady")
	term.await(0, "ready\r\n")
	const tab, lineStart = "\t", "\x01"
	for _, c := range completed(m, s) {
		before := len(term.shown())
		last := strings.LastIndex(c.words, " ") + 1
		term.enter("iscsifs " + c.words + tab + lineStart + "print -r -- '<' ")
		term.await(before, "< iscsifs "+c.words[:last]+c.want)
	}
	term.enter("exit")
	if err := cmd.Wait(); err != nil {
		t.Errorf("zsh: %v", err)
	}
}

// enter types a line.
func (term *terminal) enter(line string) {
	term.t.Helper()
	if _, err := term.master.Write([]byte(line + "\r")); err != nil {
		term.t.Fatal(err)
	}
}
