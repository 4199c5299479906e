package config

import (
	"fmt"
	"slices"
	"time"
)

// report collects what there is to say about one file, and holds what the
// reading of single keys needs to know about it.
type report struct {
	file     string // as the user named it
	dir      string // the folder that password files are relative to
	exposed  bool   // others than the owner can read the file
	faults   Faults
	warnings []Warning
}

// node is one place in the file, with its value: what a key's reader is given.
type node struct {
	*report
	path   string // as the user is told it: target[2].chap.password
	schema string // the same without numbers: target.chap.password
	raw    any    // as the TOML parser returns it
	pos    *position
}

// fault says what is wrong with n.
func (n node) fault(format string, args ...any) {
	n.faults = append(n.faults, Fault{n.file, n.pos.line, n.path, fmt.Sprintf(format, args...)})
}

// warn says what the author should know about n.
func (n node) warn(format string, args ...any) {
	n.warnings = append(n.warnings, Warning{n.file, n.pos.line, n.path, fmt.Sprintf(format, args...)})
}

// has tells whether the table n has the key.
func (n node) has(name string) bool {
	table, _ := n.raw.(map[string]any)
	_, ok := table[name]
	return ok
}

// child is the key name of the table n. One that is absent stands where the
// table begins, so that it can be complained about.
func (n node) child(name string) node {
	table, _ := n.raw.(map[string]any)
	c := node{report: n.report, path: name, schema: name, raw: table[name], pos: n.pos.child(name)}
	if n.path != "" {
		c.path, c.schema = n.path+"."+name, n.schema+"."+name
	}
	return c
}

// names are the keys of the table n, sorted.
func (n node) names() []string {
	table, _ := n.raw.(map[string]any)
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// items are the elements of the list n, numbered from 1.
func (n node) items() []node {
	values := elements(n.raw)
	items := make([]node, len(values))
	for i, v := range values {
		items[i] = node{n.report, fmt.Sprintf("%s[%d]", n.path, i+1), n.schema, v, n.pos.item(i)}
	}
	return items
}

// elements returns what is in a list, which the parser has in two forms.
func elements(raw any) []any {
	switch v := raw.(type) {
	case []any:
		return v
	case []map[string]any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = v[i]
		}
		return all
	}
	return nil
}

// typeName is what TOML calls the type of a value.
func typeName(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	default:
		return "a list"
	}
}
