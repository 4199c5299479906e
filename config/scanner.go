package config

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// scanner finds the positions in a text that the TOML parser has accepted. That
// it may rely on valid syntax keeps it small; on any other text it ends, too,
// and what it says is of no use.
type scanner struct {
	text string
	at   int // offset of the next byte
	line int // of that byte, from 1
}

// positions maps the keys of valid TOML to their lines.
func positions(text string) *position {
	s := &scanner{text: strings.TrimPrefix(text, "\ufeff"), line: 1}
	root := &position{line: 1}
	table := root
	for s.blank(); s.at < len(s.text); s.blank() {
		before := s.at
		if s.peek() == '[' {
			table = s.header(root)
		} else {
			s.pair(table)
		}
		if s.at == before {
			s.skip(1)
		}
	}
	return root
}

// header reads [a.b] or [[a.b]] and returns the table that it opens.
func (s *scanner) header(root *position) *position {
	line := s.line
	array := strings.HasPrefix(s.text[s.at:], "[[")
	s.skip(1)
	if array {
		s.skip(1)
	}
	parts := s.path()
	for s.peek() == ']' {
		s.skip(1)
	}
	if len(parts) == 0 {
		return root
	}
	parent, last := descend(root, parts, line)
	if !array {
		t := parent.add(last, line)
		t.line = line
		return t
	}
	t := &position{line: line}
	parent.add(last, line)
	list := parent.keys[last]
	list.items = append(list.items, t)
	return t
}

// pair reads key = value into table.
func (s *scanner) pair(table *position) {
	line := s.line
	parts := s.path()
	if s.peek() != '=' {
		return
	}
	s.skip(1)
	s.space()
	value := s.value()
	value.line = line
	if len(parts) == 0 {
		return
	}
	parent, last := descend(table, parts, line)
	parent.add(last, line)
	parent.keys[last] = value
}

// descend walks all but the last part of a path, and returns what it came to
// and that last part.
func descend(p *position, parts []string, line int) (*position, string) {
	last := len(parts) - 1
	for _, name := range parts[:last] {
		p = p.add(name, line)
	}
	return p, parts[last]
}

// path reads a dotted key: bare and quoted parts with spaces around the dots.
func (s *scanner) path() []string {
	var parts []string
	for {
		s.space()
		start := s.at
		switch s.peek() {
		case '"', '\'':
			s.quoted()
			parts = append(parts, unquote(s.text[start:s.at]))
		default:
			s.until(".=] \t\r\n#")
			parts = append(parts, s.text[start:s.at])
		}
		s.space()
		if s.peek() != '.' {
			return parts
		}
		s.skip(1)
	}
}

// unquote leaves the escapes of a quoted key to the parser that knows them.
func unquote(quoted string) string {
	var key struct{ K string }
	if _, err := toml.Decode("K="+quoted, &key); err != nil {
		return quoted
	}
	return key.K
}

// value reads any value and returns the positions inside it.
func (s *scanner) value() *position {
	p := &position{line: s.line}
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.list(p)
	case '{':
		s.inline(p)
	default:
		s.until(",]}\n#")
	}
	return p
}

// list reads an array; its elements may stand on lines of their own.
func (s *scanner) list(p *position) {
	s.skip(1)
	for s.blank(); s.at < len(s.text) && s.peek() != ']'; s.blank() {
		before := s.at
		if s.peek() != ',' {
			p.items = append(p.items, s.value())
		}
		if s.at == before {
			s.skip(1)
		}
	}
	s.skip(1)
}

// inline reads an inline table.
func (s *scanner) inline(p *position) {
	s.skip(1)
	for s.blank(); s.at < len(s.text) && s.peek() != '}'; s.blank() {
		before := s.at
		if s.peek() != ',' {
			s.pair(p)
		}
		if s.at == before {
			s.skip(1)
		}
	}
	s.skip(1)
}

// quoted reads a string of any of the four kinds.
func (s *scanner) quoted() {
	quote := s.text[s.at : s.at+1]
	if strings.HasPrefix(s.text[s.at:], strings.Repeat(quote, 3)) {
		s.skip(3)
		s.closing(strings.Repeat(quote, 3), quote)
		// A multi-line string may end in one or two quotes of its own.
		for range 2 {
			if s.peek() == quote[0] {
				s.skip(1)
			}
		}
		return
	}
	s.skip(1)
	s.closing(quote, quote)
}

// closing reads on behind the delimiter that ends a string; in one of double
// quotes a backslash takes the next byte's meaning away.
func (s *scanner) closing(delimiter, quote string) {
	for s.at < len(s.text) {
		if strings.HasPrefix(s.text[s.at:], delimiter) {
			s.skip(len(delimiter))
			return
		}
		if quote == `"` && s.peek() == '\\' {
			s.skip(1)
		}
		s.skip(1)
	}
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// skip goes on by n bytes, but not beyond the end, and counts the lines.
func (s *scanner) skip(n int) {
	end := min(s.at+n, len(s.text))
	s.line += strings.Count(s.text[s.at:end], "\n")
	s.at = end
}

// until goes on to the next of the stop bytes, or to the end.
func (s *scanner) until(stop string) {
	n := strings.IndexAny(s.text[s.at:], stop)
	if n < 0 {
		n = len(s.text)
	}
	s.skip(n)
}

// space skips blanks within a line.
func (s *scanner) space() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.skip(1)
	}
}

// blank skips blanks, line ends and comments.
func (s *scanner) blank() {
	for s.at < len(s.text) {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.skip(1)
		case '#':
			s.until("\n")
		default:
			return
		}
	}
}
