package config

import (
	"fmt"
	"strings"
)

// Fault is one thing wrong with a configuration file.
type Fault struct {
	File    string // absolute path
	Line    int    // from 1; 0 = the file as a whole
	Key     string // path of the key, as target[2].chap.password (counted from 1); "" = no key in particular
	Message string // what is wrong, with a hint where one helps
}

// Error is FILE:LINE: KEY: what is wrong.
func (f Fault) Error() string { return located(f.File, f.Line, f.Key, f.Message) }

// Faults is everything wrong with a configuration file, in the file's order.
type Faults []Fault

// Error has every fault on a line of its own.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Warning is something in a valid configuration file that its author should know.
type Warning struct {
	File    string // as in Fault, as are the others
	Line    int
	Key     string
	Message string
}

// String is FILE:LINE: KEY: what to know.
func (w Warning) String() string { return located(w.File, w.Line, w.Key, w.Message) }

// located puts a message behind the place in the file that it speaks of.
func located(file string, line int, key, message string) string {
	var b strings.Builder
	b.WriteString(file)
	if line > 0 {
		fmt.Fprintf(&b, ":%d", line)
	}
	b.WriteString(": ")
	if key != "" {
		b.WriteString(key + ": ")
	}
	b.WriteString(message)
	return b.String()
}
