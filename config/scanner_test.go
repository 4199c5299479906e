package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestPositions(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string // path:line, sorted
	}{
		{"pairs", "a = 1\n\n# c\nb = 'x' # = 2\n", []string{"a:1", "b:4"}},
		{"dotted and quoted", "a . \"b.c\".'d' = 1\n\"\\u0078\" = 2", []string{"a:1", "a.b.c:1", "a.b.c.d:1", "x:2"}},
		{"headers", "[a]\nx = 1\n[ a.b ]\ny = 1\n", []string{"a:1", "a.b:3", "a.b.y:4", "a.x:2"}},
		{"implicit table gets its own line", "[a.b]\n[a]\n", []string{"a:2", "a.b:1"}},
		{"array of tables", "[[t]]\nx=1\n[t.c]\ny=1\n[[t]]\n[t.c]\ny=2", []string{
			"t:1", "t[0]:1", "t[0].c:3", "t[0].c.y:4", "t[0].x:2", "t[1]:5", "t[1].c:6", "t[1].c.y:7"}},
		{"list over lines", "a = [ # ]\n 1,\n \"]\",\n]\nb=2", []string{"a:1", "a[0]:2", "a[1]:3", "b:5"}},
		{"inline", "a = {x = 1, y = {z = [\n2]}}\nb = [{c = 1},\n {c = 2}]", []string{
			"a:1", "a.x:1", "a.y:1", "a.y.z:1", "a.y.z[0]:2", "b:3", "b[0]:3", "b[0].c:3", "b[1]:4", "b[1].c:4"}},
		{"multi-line strings", "a = \"\"\"\n b = 1\n\\\"\"\"\"\"\"\nc = '''\n[x]\n'''''\nd = 1", []string{"a:1", "c:4", "d:7"}},
		{"escapes", `a = "\\" # "` + "\n" + `b = "\"" ` + "\n" + `c = '\'` + "\nd=1", []string{"a:1", "b:2", "c:3", "d:4"}},
		{"dates, CRLF, byte order mark", "\ufeffa = 1979-05-27 07:32:00\r\nb = 1\r\n", []string{"a:1", "b:2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var tree map[string]any
			if _, err := toml.Decode(tc.text, &tree); err != nil {
				t.Fatalf("not TOML: %v", err)
			}
			got := listPositions(positions(tc.text), "")
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// listPositions flattens a tree of positions to path:line.
func listPositions(p *position, path string) []string {
	var all []string
	for name, c := range p.keys {
		at := strings.TrimPrefix(path+"."+name, ".")
		all = append(all, fmt.Sprintf("%s:%d", at, c.line))
		all = append(all, listPositions(c, at)...)
	}
	for i, c := range p.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		all = append(all, fmt.Sprintf("%s:%d", at, c.line))
		all = append(all, listPositions(c, at)...)
	}
	return all
}

// byteOrderMark tells whether the text begins with bytes of a UTF-16 mark, which
// the parser passes over.
func byteOrderMark(text string) bool {
	return strings.Contains(text[:min(len(text), 2)], "\xff") || strings.Contains(text[:min(len(text), 2)], "\xfe")
}

// FuzzPositions holds the scanner to the parser: whatever the parser accepts,
// each of its keys has a position, on a line of the text.
func FuzzPositions(f *testing.F) {
	f.Add("[[a]]\nb.\"c\" = [1, {d = '''\n'''}]\n[a.e]\n")
	f.Add("a = \"\"\"x\\\"\"\"\"\"\nb = { c = 1 }\n[d.\"e f\"]\n")
	f.Add("'' = 0\n[\"\\n\"]\n[[x.y]]\n[x.y.z]\nk = 07:32:00 # ]\n")
	f.Fuzz(func(t *testing.T, text string) {
		root := positions(text) // must end on any text
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err != nil || byteOrderMark(text) {
			return
		}
		comparePositions(t, root, tree, "", strings.Count(text, "\n")+1)
	})
}

func comparePositions(t *testing.T, p *position, value any, path string, lines int) {
	if p.line < 1 || p.line > lines {
		t.Fatalf("%s is said to be on line %d of %d", path, p.line, lines)
	}
	switch v := value.(type) {
	case map[string]any:
		if len(p.keys) != len(v) {
			t.Fatalf("%q has %d keys, the scanner found %d", path, len(v), len(p.keys))
		}
		for name, c := range v {
			if p.keys[name] == nil {
				t.Fatalf("%q has a key %q, the scanner found none", path, name)
			}
			comparePositions(t, p.keys[name], c, path+"."+name, lines)
		}
	default:
		items := elements(value)
		if len(p.items) != len(items) {
			t.Fatalf("%q has %d elements, the scanner found %d", path, len(items), len(p.items))
		}
		for i, c := range items {
			comparePositions(t, p.items[i], c, fmt.Sprintf("%s[%d]", path, i), lines)
		}
	}
}
