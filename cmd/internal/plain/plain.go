// Package plain makes text of others fit for a terminal: names of processes,
// paths of other users, what a target says.
package plain

import (
	"strings"
	"unicode"
)

// Text replaces what does not print, control characters and invalid UTF-8 above
// all, by U+FFFD, so that no text can move the cursor, colour the screen or begin
// a line of its own.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Quoted returns text as one word of a shell command: as it is where the shell takes
// it so, in single quotes otherwise. What does not print is replaced as by Text.
func Quoted(s string) string {
	s = Text(s)
	if s != "" && !strings.ContainsFunc(s, special) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// special tells whether a shell might read more into a character.
func special(r rune) bool {
	return !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+:@%,", r))
}
