package config

// Table describes one table of the file, for the manual and for hints.
type Table struct {
	Name  string // dotted, as in target.chap
	Array bool   // its header is [[Name]]
	Doc   string
	Keys  []Key
}

// Header is how the table begins in the file.
func (t Table) Header() string {
	if t.Array {
		return "[[" + t.Name + "]]"
	}
	return "[" + t.Name + "]"
}

// Key describes one key of a table.
type Key struct {
	Name    string
	Kind    string // what its value is: "a duration such as …"
	Default string // as TOML; "" = none
	Doc     string
	table   []Key
}

// IsTable tells whether the key opens a table of its own.
func (k Key) IsTable() bool { return k.table != nil }

// Tables describes every table of the file in the order of the manual, each
// followed by the tables inside it.
func Tables() []Table { return flatten("", fileKeys().manual()) }

// flatten turns the tree of keys into a list of tables.
func flatten(prefix string, keys []Key) []Table {
	var all []Table
	for _, k := range keys {
		if !k.IsTable() {
			continue
		}
		array := k.Kind == "an array of tables"
		all = append(all, Table{prefix + k.Name, array, k.Doc, k.table})
		all = append(all, flatten(prefix+k.Name+".", k.table)...)
	}
	return all
}

// manual describes the keys of a section.
func (s section[T]) manual() []Key {
	keys := make([]Key, len(s))
	for i, k := range s {
		keys[i] = Key{k.name, k.kind, k.def, k.doc, k.table}
	}
	return keys
}
