package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iscsifs/iscsifs/config"
)

// tables has a section for each table of the configuration, with its keys.
func tables(all []config.Table) string {
	var out strings.Builder
	for i, t := range all {
		fmt.Fprintf(&out, "### %s\n\n%s\n\n", escape(t.Header()), escape(t.Doc))
		if same := describedBy(all[:i], t); same != nil {
			fmt.Fprintf(&out, "%s\n\n", sameKeys(t, *same))
			continue
		}
		for _, k := range t.Keys {
			if !k.IsTable() {
				out.WriteString(key(k))
			}
		}
	}
	return out.String()
}

// key is the item of one key.
func key(k config.Key) string {
	value := k.Kind
	if k.Default != "" {
		value += "; default " + k.Default
	}
	return term(strong(k.Name), escape(k.Doc)+" ("+escape(value)+")")
}

// describedBy returns the table among those before that has all keys of t with the
// same meaning.
func describedBy(before []config.Table, t config.Table) *config.Table {
	for i, b := range before {
		if !slices.ContainsFunc(t.Keys, func(k config.Key) bool { return !has(b, k) }) {
			return &before[i]
		}
	}
	return nil
}

func has(t config.Table, k config.Key) bool {
	return slices.ContainsFunc(t.Keys, func(o config.Key) bool { return o.Name == k.Name && o.Doc == k.Doc })
}

// sameKeys names the keys of t that are described in another table.
func sameKeys(t, in config.Table) string {
	names := make([]string, len(t.Keys))
	for i, k := range t.Keys {
		names[i] = strong(k.Name)
	}
	return "Keys, as in " + escape(in.Header()) + ": " + strings.Join(names, ", ") + "."
}
