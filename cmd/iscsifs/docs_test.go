package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/config"
)

// documents are the README, the pages in docs and the prose of the manual, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("documentation: %q, %v", pages, err)
	}
	texts := map[string]string{}
	for _, path := range append(pages, "../../README.md", "../../ARCHITECTURE.md", "../internal/manual/iscsifs.8.md", "../internal/manual/iscsifs.toml.5.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	return texts
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	quoted = regexp.MustCompile("`(iscsifs [^`]+)`")
	typed  = regexp.MustCompile(`(?m)^ *[#$]? ?(iscsifs [^#\n]+)`)
)

// Each command line of the documentation is one that the program takes.
func TestDocumentedCommands(t *testing.T) {
	lines := 0
	for path, text := range documents(t) {
		var commands []string
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			for _, m := range typed.FindAllStringSubmatch(block[2], -1) {
				commands = append(commands, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			commands = append(commands, strings.ReplaceAll(m[1], "\n", " "))
		}
		for _, line := range commands {
			checkCommandLine(t, path, line)
		}
		lines += len(commands)
	}
	if lines < 40 {
		t.Errorf("only %d command lines were found", lines)
	}
}

func checkCommandLine(t *testing.T, path, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " &&")
	line, _, _ = strings.Cut(line, " >")
	line = strings.ReplaceAll(line, "…", "more")
	if line == "iscsifs COMMAND --help" || strings.HasPrefix(line, "iscsifs mount -o") {
		return // which stand for any command, and for any option
	}
	cmd, rest, err := (&program{}).rootCommand().Find(strings.Fields(line)[1:])
	if err != nil || cmd.Name() == "iscsifs" {
		t.Errorf("%s: `%s`: no such command", path, line)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: `%s`: %v", path, line, err)
	}
}

var passwordFile = regexp.MustCompile(`password_file\s*=\s*"([^"]+)"`)

// Each configuration of the documentation is valid.
func TestDocumentedConfigurations(t *testing.T) {
	configurations := 0
	for path, text := range documents(t) {
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if block[1] != "toml" {
				continue
			}
			configurations++
			toml := file(t, "nas.toml", block[2])
			for _, m := range passwordFile.FindAllStringSubmatch(block[2], -1) {
				secret := filepath.Join(filepath.Dir(toml), m[1])
				if err := os.WriteFile(secret, []byte("the-secret-of-"+m[1]), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, warnings, err := config.Load(toml); err != nil || len(warnings) > 0 {
				t.Errorf("%s: %v %v\n%s", path, err, warnings, block[2])
			}
		}
	}
	if configurations < 5 {
		t.Errorf("only %d configurations were found", configurations)
	}
}

// What the documentation shows of the program's output is what it writes: the lines
// stand in it as they are here.
func TestDocumentedOutput(t *testing.T) {
	held := status.LUN{LUN: 1, State: "ready", Path: "/mnt/luns/lun1", Size: 64 << 20, BlockSize: 512, Vendor: "IET", Product: "VIRTUAL-DISK", Serial: "beaf11",
		DirtyBytes: 512 << 10, HeldBytes: 512 << 10}
	var shown bytes.Buffer
	(&statusWriter{out: &shown}).lun(held)
	portal := []foundPortal{{Address: "172.29.88.62:3260", TPGT: 1}}
	var offered bytes.Buffer
	writeFound(&offered, []foundTarget{{IQN: "iqn.2000-01.com.example:nas.vol1", Portals: portal}})
	mounted := mountedLines(status.Mount{Targets: []status.Target{{IQN: "iqn.2000-01.com.example:nas.vol1", LUNs: []status.LUN{
		{LUN: 1, Path: "/mnt/luns/lun1", Size: 1 << 30, BlockSize: 512}}}}})
	texts := documents(t)
	for _, c := range []struct{ path, want string }{
		{"docs/outages.md", shown.String()},
		{"../../README.md", strings.Join(mounted, "\n")},
		{"../../README.md", "$ iscsifs discover 172.29.88.62\n   " + strings.TrimSpace(offered.String())},
	} {
		if !strings.Contains(texts[c.path], c.want) {
			t.Errorf("%s does not have what is printed:\n%s", c.path, c.want)
		}
	}
}

var (
	link     = regexp.MustCompile(`\]\(([^)]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noAnchor = regexp.MustCompile(`[^\w\- ]`)
)

// What the documentation points to is there: other documents, and headings in them.
func TestDocumentedLinks(t *testing.T) {
	texts := documents(t)
	for path, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			target := filepath.Join(filepath.Dir(path), to)
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s points to %s: %v", path, m[1], err)
			} else if anchor != "" && !hasHeading(texts[target], anchor) {
				t.Errorf("%s points to %s, which has no such heading", path, m[1])
			}
		}
		if page, isPage := strings.CutPrefix(path, "docs/"); isPage && !strings.Contains(texts["../../README.md"], "cmd/iscsifs/docs/"+page) {
			t.Errorf("the README does not link %s", path)
		}
	}
}

// hasHeading tells whether a document has a heading whose anchor on GitHub is this.
func hasHeading(text, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := noAnchor.ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(name, " ", "-") == anchor {
			return true
		}
	}
	return false
}
