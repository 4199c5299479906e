package config

// position says where a key stands in the text: the parser's tree holds the
// values, this one, of the same shape, the lines.
type position struct {
	line  int
	keys  map[string]*position // of a table
	items []*position          // of an array, also of one of tables
}

// child returns the position of a key, or else of the table itself.
func (p *position) child(name string) *position {
	if c := p.keys[name]; c != nil {
		return c
	}
	return &position{line: p.line}
}

// item returns the position of an array's element, or else the array's own.
func (p *position) item(i int) *position {
	if i < len(p.items) {
		return p.items[i]
	}
	return &position{line: p.line}
}

// add returns the table behind name, made where there is none yet. In an array
// of tables that is the last one, as TOML has it for headers.
func (p *position) add(name string, line int) *position {
	c := p.keys[name]
	if c == nil {
		c = &position{line: line}
		if p.keys == nil {
			p.keys = map[string]*position{}
		}
		p.keys[name] = c
	}
	if n := len(c.items); n > 0 {
		return c.items[n-1]
	}
	return c
}
