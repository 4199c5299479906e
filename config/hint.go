package config

import (
	"fmt"
	"strings"
)

// unknown reports a key that the table n does not have, and guesses what it
// was meant to be: a slip of the pen, or a key of another table.
func (n node) unknown(name string, known []Key) {
	c := n.child(name)
	if near := nearest(name, known); near != "" {
		c.fault("unknown key; did you mean %s?", near)
		return
	}
	if home := homeOf(name, n.schema); home != "" {
		c.fault("unknown key here; it belongs in %s", home)
		return
	}
	c.fault("unknown key")
}

// nearest returns the known name that is a slip or two away, or that alone begins with
// name; "" if none is.
func nearest(name string, known []Key) string {
	best, limit := "", 1+min(len(name), 16)/4
	if longer := begunBy(name, known); len(longer) == 1 {
		best, limit = longer[0], 1
	}
	for _, k := range known {
		d := distance(strings.ToLower(name), k.Name)
		if d < limit {
			best, limit = k.Name, d
		}
	}
	return best
}

// begunBy are the known names that begin with name, of which too few letters say nothing.
func begunBy(name string, known []Key) (longer []string) {
	for _, k := range known {
		if len(name) >= 3 && strings.HasPrefix(k.Name, strings.ToLower(name)) {
			longer = append(longer, k.Name)
		}
	}
	return longer
}

// homeOf returns the header of the table that has a key of this name; one
// below the table where it was found comes first.
func homeOf(name, found string) string {
	home := ""
	for _, t := range Tables() {
		for _, k := range t.Keys {
			if k.Name != name || k.IsTable() {
				continue
			}
			if strings.HasPrefix(t.Name, found+".") {
				return t.Header()
			}
			if home == "" {
				home = t.Header()
			}
		}
	}
	return home
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour that lies between two names, up to a bound where it no
// longer matters.
func distance(a, b string) int {
	const far = 1 << 10
	if len(a) > 64 || len(b) > 64 {
		return far
	}
	var d [65][65]int
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			d[i][j] = edit(&d, a, b, i, j)
		}
	}
	return d[len(a)][len(b)]
}

// edit is the cell of the table of distances for the first i and j letters.
func edit(d *[65][65]int, a, b string, i, j int) int {
	if i == 0 || j == 0 {
		return i + j
	}
	cost := 1
	if a[i-1] == b[j-1] {
		cost = 0
	}
	least := min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
	if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
		least = min(least, d[i-2][j-2]+1)
	}
	return least
}

// oneOf lists the values that a key may have: "a", "b" or "c".
func oneOf[E ~string](values []E) string {
	var b strings.Builder
	for i, v := range values {
		switch {
		case i == 0:
		case i == len(values)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", string(v))
	}
	return b.String()
}
