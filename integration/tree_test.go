package integration

import (
	"fmt"
	"path/filepath"
	"strings"
)

// goTree is a source tree that every machine with Go has: thousands of files,
// most of them small.
func (h *host) goTree(dir string) string {
	h.t.Helper()
	return filepath.Join(strings.TrimSpace(h.sh("go env GOROOT")), dir)
}

// manifest lists a tree: each path with type, mode, size, time and link, and
// the checksum of each file.
func (h *host) manifest(dir string) string {
	h.t.Helper()
	return h.sh(`cd "$1"
		find . -mindepth 1 ! -path './lost+found*' -type d -printf '%P %y %m %T@\n' | sort
		find . ! -type d -printf '%P %y %m %s %T@ %l\n' | sort
		find . -type f -print0 | sort -z | xargs -0 sha256sum`, dir)
}

// sha256 is the checksum of a whole file or device, as sha256sum reads it.
func (h *host) sha256(path string) string {
	h.t.Helper()
	sum, _, _ := strings.Cut(h.sh(`sha256sum "$1"`, path), " ")
	return sum
}

// firstDifference shows where two listings part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}
