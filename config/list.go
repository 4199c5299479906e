package config

import (
	"slices"
	"strings"
)

// listOf is a list of at least one value, each named no more than once. What
// is empty for says why it must not be empty.
func listOf[V comparable](what string, k kind[V], empty string) kind[[]V] {
	name := "a list of " + what
	return kind[[]V]{
		name: name,
		read: func(n node) ([]V, bool) {
			if _, ok := n.raw.([]any); !ok {
				if _, text := n.raw.(string); text {
					n.fault("needs %s: put the string in [ ]", name)
					return nil, false
				}
				return wrongType[[]V](n, name)
			}
			if len(n.items()) == 0 {
				n.fault("is empty; %s", empty)
				return nil, false
			}
			return readItems(n, k)
		},
		write: func(list []V) string {
			if list == nil {
				return ""
			}
			items := make([]string, len(list))
			for i, v := range list {
				items[i] = k.write(v)
			}
			return "[" + strings.Join(items, ", ") + "]"
		},
	}
}

// readItems reads the elements of a list and reports each that is wrong.
func readItems[V comparable](n node, k kind[V]) ([]V, bool) {
	sound := true
	var list []V
	for _, item := range n.items() {
		v, ok := k.read(item)
		if ok && slices.Contains(list, v) {
			item.fault("%s is in the list already", k.write(v))
			ok = false
		}
		sound = sound && ok
		list = append(list, v)
	}
	return list, sound
}
