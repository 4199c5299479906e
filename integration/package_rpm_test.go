package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files of a package, one a line, sorted, with mode, owner and where a link leads: as
// dpkg and as rpm know them. Modes of links mean nothing.
const (
	filesOfDeb = `dpkg-deb --fsys-tarfile "$1" | tar -tv | grep -v ^d | sed -E 's/^l[^ ]*/link/; s/^([^ ]+ [^ ]+) .* \./\1 /; s/vendor-completions/site-functions/'`
	filesOfRPM = `rpm -qp --queryformat '[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES} -> %{FILELINKTOS}\n]' "$1" | grep -v ^d | sed -E 's/^l[^ ]*/link/; s/ -> $//'`
)

// wantSameRPM checks that the package for rpm has what the Debian package has, but for
// what only a Debian system reads, does the same with it, and can be installed.
func (h *host) wantSameRPM(deb, rpm string) {
	h.t.Helper()
	list := func(script, file string) string { return h.sh("{ "+script+"; } | sort", file) }
	var want strings.Builder
	for line := range strings.Lines(list(filesOfDeb, deb)) {
		if !strings.Contains(line, "/needrestart/") {
			want.WriteString(line)
		}
	}
	if got := list(filesOfRPM, rpm); got != want.String() {
		h.t.Errorf("the package for rpm has\n%s\nthat for dpkg\n%s", got, want.String())
	}
	for tag, script := range map[string]string{"POSTIN": "reload-systemd", "PREUN": "preremove", "POSTUN": "postremove"} {
		text, err := os.ReadFile("../cmd/iscsifs/package/" + script)
		if err != nil {
			h.t.Fatal(err)
		}
		if got := h.sh(`rpm -qp --queryformat "%{$1}" "$2"`, tag, rpm); strings.TrimSpace(got) != strings.TrimSpace(string(text)) {
			h.t.Errorf("its script %s is\n%s", tag, got)
		}
	}
	// It is another system's: rpm warns that this one is Debian, and there is no shell.
	root := h.path("rpm")
	h.sh(`mkdir "$1"; rpm --root "$1" --dbpath /db --nodeps --noscripts -i "$2"`, root, rpm)
	if got := h.sh(`readlink "$1/usr/sbin/mount.iscsifs"; stat -c %a "$1/usr/sbin/iscsifs" "$1/etc/iscsifs"`, root); got != "iscsifs\n755\n755\n" {
		h.t.Errorf("installed by rpm there is %q", got)
	}
}

// built is the one package that make has built.
func (h *host) built(pattern string) string {
	h.t.Helper()
	packages, _ := filepath.Glob(h.path("dist/" + pattern))
	if len(packages) != 1 {
		h.t.Fatalf("built: %v", packages)
	}
	return packages[0]
}

// TestRPM builds both packages, for they are one to who reads the documentation.
func TestRPM(t *testing.T) {
	needRoot(t)
	needTools(t, "rpm", "dpkg-deb")
	h := newHost(t)
	h.make("deb")
	h.make("rpm")
	h.wantSameRPM(h.built("iscsifs_[0-9]*.deb"), h.built("iscsifs-[0-9]*.rpm"))
}
