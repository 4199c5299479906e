package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// make runs a target of the Makefile, which builds into the test's directory.
func (h *host) make(target string, variables ...string) string {
	h.t.Helper()
	needTools(h.t, "make", "go")
	args := append([]string{"-s", "-C", repository(h.t), target, "BIN=" + h.path("bin"), "DIST=" + h.path("dist")}, variables...)
	return h.sh(`HOME="$1" make "${@:2}"`, append([]string{os.Getenv("HOME")}, args...)...) // go keeps its cache there
}

// repository is the root of the module.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestInstall installs into a directory as for /usr/local, and removes it all again.
func TestInstall(t *testing.T) {
	needTools(t, "man", "bash")
	h := newHost(t)
	h.make("install", "DESTDIR="+h.path("root"))
	for path, want := range map[string]string{
		"usr/local/sbin/iscsifs":      "",
		"sbin/mount.iscsifs":          "/usr/local/sbin/iscsifs", // where mount(8) looks
		"sbin/mount.fuse.iscsifs":     "/usr/local/sbin/iscsifs",
		"sbin/umount.fuse.iscsifs":    "/usr/local/sbin/iscsifs",
		"usr/local/share/doc/iscsifs": "",
	} {
		if to, _ := os.Readlink(h.path("root/" + path)); to != want {
			t.Errorf("%s is a link to %q, want %q", path, to, want)
		}
	}
	h.wantManual(h.path("root/usr/local/sbin/iscsifs"), h.path("root/usr/local/share/man"))
	h.wantDocumentation(h.path("root/usr/local/share/doc/iscsifs"))
	h.sh(`bash -n "$1"`, h.path("root/usr/local/share/bash-completion/completions/iscsifs"))
	h.wantUnits(h.path("root"), "/usr/local")

	h.make("uninstall", "DESTDIR="+h.path("root"))
	if left := h.sh(`find "$1" ! -type d`, h.path("root")); left != "" {
		t.Errorf("uninstall leaves\n%s", left)
	}
}

// wantManual checks that man(1) has nothing to complain of, and that the pages name
// what the program's own help names.
func (h *host) wantManual(program, pages string) {
	h.t.Helper()
	text := h.manual(pages + "/man8/iscsifs.8")
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(h.sh(`"$1" help | sed -n '/^Commands:/,/^$/p'`, program), -1)
	if len(commands) < 8 {
		h.t.Fatalf("help lists the commands %q", commands)
	}
	for _, c := range commands {
		help := h.sh(`"$1" "$2" --help`, program, c[1])
		for _, flag := range append(regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1), "iscsifs "+c[1]) {
			if flag != "--help" && !strings.Contains(text, flag) {
				h.t.Errorf("iscsifs(8) lacks %s of %s", flag, c[1])
			}
		}
	}
	if text := h.manual(pages + "/man5/iscsifs.toml.5"); !strings.Contains(text, "replacement_timeout\n") || !strings.Contains(text, "[[target]]") {
		h.t.Errorf("iscsifs.toml(5):\n%s", text)
	}
}

// wantUnits checks that systemd's units are below a root, and start the program that is
// installed with them.
func (h *host) wantUnits(root, prefix string) {
	h.t.Helper()
	units, _ := filepath.Glob("../cmd/iscsifs/units/*.service")
	for _, unit := range units {
		text, err := os.ReadFile(filepath.Join(root, prefix, "lib/systemd/system", filepath.Base(unit)))
		if err != nil {
			h.t.Error(err)
		}
		for _, path := range regexp.MustCompile(`/[\w/]*/iscsifs `).FindAllString(string(text), -1) {
			if path != prefix+"/sbin/iscsifs " {
				h.t.Errorf("%s starts %s", filepath.Base(unit), path)
			}
		}
	}
}

// manual is a man page as text, in lines that do not break.
func (h *host) manual(file string) string {
	h.t.Helper()
	r := h.run("env", "MANWIDTH=2000", "MANROFFSEQ=t", "LC_ALL=C.UTF-8", "man", "--warnings", "--no-hyphenation", "-l", file)
	if r.code != 0 || r.stderr != "" {
		h.t.Errorf("man -l %s: exit code %d\n%s", file, r.code, r.stderr)
	}
	return r.stdout
}

// wantDocumentation checks that no page points to one that is not installed beside it.
func (h *host) wantDocumentation(dir string) {
	h.t.Helper()
	pages, _ := filepath.Glob(dir + "/*.md")
	if len(pages) == 0 {
		h.t.Errorf("there is no documentation in %s", dir)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(dir, link[1])); err != nil {
				h.t.Errorf("%s points to %s, which is not there", filepath.Base(page), link[1])
			}
		}
	}
}

// inMachine runs its arguments in a copy of this machine that lasts as long as they
// do: what they write goes to memory. Then it lists the files that they have changed,
// without dpkg's own and the state that a purge removes.
const inMachine = `
dir=$1 && shift
mkdir -p "$dir/machine" && mount -t tmpfs none "$dir/machine" && cd "$dir/machine"
mkdir changes work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/changes,workdir=$PWD/work" root
mkdir -p "root$dir" && mount --bind "$dir" "root$dir"
for special in dev proc sys; do mount --rbind "/$special" "root/$special"; done
mount -t tmpfs none root/run
chroot root "$@"
find changes ! -type d ! -path 'changes/var/lib/dpkg/*' ! -path 'changes/var/log/*' ! -path changes/var/lib/iscsifs -printf 'left behind: %P\n'
`

// needOverlay skips where the kernel has no overlay file system.
func needOverlay(t *testing.T) {
	t.Helper()
	exec.Command("modprobe", "-q", "overlay").Run() // it may be built in
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(known), "\toverlay\n") {
		skip(t, "needs the overlay file system")
	}
}

// usePackage installs a package, mounts a LUN by what is in it, installs it again over
// that, as an upgrade does, and purges it when nothing is mounted any more.
const usePackage = `
package=$1 configuration=$2 mountpoint=$3
dpkg --no-triggers --install "$package" >/dev/null
mount -t iscsifs "$configuration" "$mountpoint"
iscsifs status "$mountpoint" | grep -q lun1
grep -q " $mountpoint .* fuse.iscsifs $configuration " /proc/self/mountinfo
head -c 4096 /dev/zero | tr '\0' x | dd of="$mountpoint/lun1" conv=notrunc,fsync status=none
daemon() { iscsifs status --json "$mountpoint" | grep -o '"pid": *[0-9]*'; }
before=$(daemon)
dpkg --no-triggers --install "$package" >/dev/null
[[ $(daemon) == "$before" ]]
head -c 4096 "$mountpoint/lun1" | cmp - <(head -c 4096 /dev/zero | tr '\0' x)
if said=$(dpkg --no-triggers --remove iscsifs 2>&1); then exit 1; fi
[[ $said == *"iscsifs umount $mountpoint"* ]]
[[ $(daemon) == "$before" ]]
umount "$mountpoint"
echo '# changed' >>/etc/needrestart/conf.d/iscsifs.conf
dpkg --no-triggers --install "$package" </dev/null >/dev/null
grep -q changed /etc/needrestart/conf.d/iscsifs.conf
man -w 8 iscsifs && man -w 5 iscsifs.toml
iscsifs version -v
ls /var/lib/iscsifs
wants=/etc/systemd/system/remote-fs.target.wants
mkdir -p $wants && ln -s /usr/lib/systemd/system/iscsifs@.service $wants/iscsifs@nas.service # as systemctl enable does
dpkg --no-triggers --purge iscsifs >/dev/null
[[ ! -e /var/lib/iscsifs ]]
`

// TestPackage builds the Debian package, installs it in a copy of this machine, mounts a
// LUN of tgt with mount(8), writes to it, and purges the package: nothing is left.
func TestPackage(t *testing.T) {
	needRoot(t)
	needTools(t, "dpkg", "dpkg-deb", "man")
	needOverlay(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	h.make("deb")
	deb := h.built("iscsifs_[0-9]*.deb")
	h.wantPackage(deb)

	out := h.sh(`unshare --mount --propagation private bash -euc "$1" bash "$2" bash -euxc "$3" bash "${@:4}"`,
		inMachine, h.dir, usePackage, deb, h.writeConfig(s.config()), h.mountpoint())
	for _, want := range []string{"/usr/share/man/man8/iscsifs.8.gz\n", "/usr/share/man/man5/iscsifs.toml.5.gz\n", "initiator name "} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "left behind") {
		t.Error(out)
	}
	if got := h.sh(`head -c 4096 "$1" | tr -d x | wc -c`, s.backing[1]); got != "0\n" {
		t.Error("what was written is not on the target")
	}
}

// wantPackage checks what dpkg is told of a package and what is in it.
func (h *host) wantPackage(file string) {
	h.t.Helper()
	if got := h.sh(`dpkg-deb --field "$1" Package Depends Recommends`, file); got != "Package: iscsifs\nRecommends: fuse3, attr\n" {
		h.t.Errorf("the package says\n%s", got)
	}
	if got := h.sh(`dpkg-deb --ctrl-tarfile "$1" | tar -t | sort | tr '\n' ' '`, file); got != "./conffiles ./control ./md5sums ./postinst ./postrm ./prerm " {
		h.t.Errorf("dpkg gets %s", got)
	}
	h.wantUnits(h.path("dist/stage"), "/usr")
	files := h.sh(`dpkg-deb --fsys-tarfile "$1" | tar -tv`, file)
	for _, want := range []string{
		"drwxr-xr-x root/root .* ./etc/iscsifs/\n", "-rwxr-xr-x root/root .* ./usr/sbin/iscsifs\n", "./usr/sbin/mount.iscsifs -> iscsifs\n",
		"./usr/sbin/mount.fuse.iscsifs -> iscsifs\n", "./usr/sbin/umount.fuse.iscsifs -> iscsifs\n",
		"./usr/share/man/man8/iscsifs.8.gz\n", "./usr/share/doc/iscsifs/copyright\n", "./usr/share/doc/iscsifs/example.toml\n",
		"./usr/share/bash-completion/completions/iscsifs\n", "./usr/share/zsh/vendor-completions/_iscsifs\n", "./usr/share/fish/vendor_completions.d/iscsifs.fish\n",
	} {
		if !regexp.MustCompile(want).MatchString(files) {
			h.t.Errorf("there is no %q in\n%s", want, files)
		}
	}
}
