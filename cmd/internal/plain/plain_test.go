package plain

import "testing"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"dd":               "dd",
		"Größe 1":          "Größe 1",
		"a\x1b[2Jb\nc\x7f": "a\ufffd[2Jb\ufffdc\ufffd",
		"\xff\u202e":       "\ufffd\ufffd",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{
		"/mnt/x":      "/mnt/x",
		"":            "''",
		"/mnt/my x":   "'/mnt/my x'",
		"it's; rm -r": `'it'\''s; rm -r'`,
		"$(reboot)":   "'$(reboot)'",
		"a\nb":        "'a\ufffdb'",
	} {
		if got := Quoted(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
}
