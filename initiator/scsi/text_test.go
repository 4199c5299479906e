package scsi

import "testing"

func TestCleanText(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"IET     ", "IET"},
		{"  SN1\x00\x00", "SN1"},
		{"a b  c", "a b  c"},
		{"a\x1b[31mb\x7f\n", "a?[31mb??"},
		{"gr\xc3\xbcn\xff", "gr??n?"},
		{"\x00\x00", ""},
	}
	for _, tt := range tests {
		if got := cleanText([]byte(tt.in)); got != tt.want {
			t.Errorf("cleanText(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// mustBePrintable holds every text that leaves the package to printable ASCII.
func mustBePrintable(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		for i := range len(s) {
			if s[i] < ' ' || s[i] > '~' {
				t.Fatalf("%q is no printable ASCII", s)
			}
		}
	}
}
