package scsi

import "strings"

// cleanText makes a target's text safe to print: bytes outside printable ASCII
// become '?' and the padding at both ends goes. Targets pad with spaces (SPC-4,
// section 4.4.1), and some with zeroes.
func cleanText(b []byte) string {
	clean := strings.Map(printable, strings.Trim(latin(b), " \x00"))
	return strings.TrimSpace(clean)
}

// latin makes every byte one rune, so that what is no UTF-8 is counted right.
func latin(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}
