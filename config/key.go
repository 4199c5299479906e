package config

import (
	"fmt"

	"github.com/BurntSushi/toml"
)

// kind is a way to write a value in the file.
type kind[V any] struct {
	name  string                 // what the key needs: "a duration such as \"15s\""
	read  func(n node) (V, bool) // false: what is wrong has been reported
	write func(v V) string       // as TOML; "" = as if not there
}

// key is one key of a table whose values go to a T. All that is known of a key
// is here: reading, checking, defaults, showing and the manual go by it.
type key[T any] struct {
	name  string
	kind  string // as in kind, for the manual
	def   string // default, as TOML; "" = there is none
	doc   string // one sentence for the manual, or several
	read  func(t *T, n node)
	write func(t *T) string // value in effect, as TOML, "" = not shown; nil for a table
	table []Key             // keys of a table; nil = not a table
}

// section is a table of the file: its keys, in the order of the manual.
type section[T any] []key[T]

// field is a key whose value is stored in one field of T.
func field[T, V any](name string, k kind[V], def string, at func(*T) *V, doc string) key[T] {
	return key[T]{
		name: name, kind: k.name, def: def, doc: doc,
		read: func(t *T, n node) {
			if v, ok := k.read(n); ok {
				*at(t) = v
			}
		},
		write: func(t *T) string { return k.write(*at(t)) },
	}
}

// subtable is a key that is a table, read over what its field already holds.
// check, unless nil, then judges the table as a whole.
func subtable[T, V any](name string, s section[V], at func(*T) *V, check func(*V, node), doc string) key[T] {
	return key[T]{
		name: name, kind: "a table", doc: doc, table: s.manual(),
		read: func(t *T, n node) {
			if s.read(at(t), n) && check != nil {
				check(at(t), n)
			}
		},
	}
}

// tables is a key that is an array of tables.
func tables[T, V any](name string, s section[V], read func(*T, section[V], node), doc string) key[T] {
	return key[T]{
		name: name, kind: "an array of tables", doc: doc, table: s.manual(),
		read: func(t *T, n node) {
			items := n.items()
			if len(items) == 0 {
				n.fault("needs tables: write [[%s]], not %s", n.path, typeName(n.raw))
			}
			for _, item := range items {
				if len(items) == 1 {
					item.path = n.path // nobody needs to be told which
				}
				read(t, s, item)
			}
		},
	}
}

// read takes what the table n gives into t, and reports the keys that s lacks.
// It returns false if n is no table at all.
func (s section[T]) read(t *T, n node) bool {
	if _, ok := n.raw.(map[string]any); !ok {
		n.fault("needs a table, not %s", typeName(n.raw))
		return false
	}
	known := map[string]bool{}
	for _, k := range s {
		known[k.name] = true
		if n.has(k.name) {
			c := n.child(k.name)
			k.read(t, c)
		}
	}
	for _, name := range n.names() {
		if !known[name] {
			n.unknown(name, s.manual())
		}
	}
	return true
}

// defaults returns a T with every default of s. A default that its own key
// refuses is a fault of this program.
func (s section[T]) defaults() T {
	var t T
	for _, k := range s {
		if k.def == "" {
			continue
		}
		var doc map[string]any
		if _, err := toml.Decode("v = "+k.def, &doc); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", k.name, err))
		}
		r := &report{file: "default"}
		k.read(&t, node{report: r, path: k.name, raw: doc["v"], pos: &position{}})
		if len(r.faults) > 0 {
			panic(fmt.Sprintf("config: %v", r.faults))
		}
	}
	return t
}
