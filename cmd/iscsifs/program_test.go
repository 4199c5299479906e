package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
)

// outcome is how a run of the program ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs the program in this process.
func run(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr}
	code := p.run(t.Context(), args)
	return outcome{code, stdout.String(), stderr.String()}
}

// file writes a file of the test.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const validConfig = "[[target]]\nportals = [\"127.0.0.1:1\"]\niqn = \"iqn.2026-11.org.example:a\"\n"

func TestUsage(t *testing.T) {
	empty := t.TempDir()
	valid := file(t, "nas.toml", validConfig)
	exclusive := file(t, "exclusive.toml", validConfig+"exclusive = true\n")
	broken := file(t, "broken.toml", "[[target]]\nportals = [\"127.0.0.1:99999\"]\niqn = \"no name\"\n")
	for _, c := range []struct {
		args  []string
		code  int
		words string // of stderr
	}{
		{[]string{"iscsifs", "no-such-command"}, 2, "no-such-command: no such command"},
		{[]string{"iscsifs", "mont"}, 2, "mont: no such command; did you mean `iscsifs mount`?\n"},
		{[]string{"iscsifs", "ls"}, 2, "did you mean `iscsifs status`?\n"},
		{[]string{"iscsifs", "help", "unmount"}, 2, "did you mean `iscsifs help umount`?\n"},
		{[]string{"iscsifs", "--no-such-flag"}, 2, "iscsifs: unknown flag: --no-such-flag; see `iscsifs --help`\n"},
		{[]string{"iscsifs", "--version"}, 0, ""},
		{[]string{"iscsifs", "completion", "tcsh"}, 2, "completion tcsh: give one of bash, fish"},
		{[]string{"iscsifs", "mount"}, 2, "mount: 0 arguments"},
		{[]string{"iscsifs", "mount", "--no-such-flag", valid}, 2, "no-such-flag"},
		{[]string{"iscsifs", "mount", valid}, 2, "no mountpoint"},
		{[]string{"iscsifs", "mount", "--preempt", "1", valid, "/mnt"}, 2, "--preempt: no target of " + valid + " that is to be written has exclusive = true"},
		{[]string{"iscsifs", "mount", "--preempt", "0", exclusive, "/mnt"}, 2, "--preempt 0: give the key"},
		{[]string{"iscsifs", "mount", "--preempt", "key", exclusive, "/mnt"}, 2, "--preempt key: give the key"},
		{[]string{"iscsifs", "mount", "--preempt", "1", "--read-only", exclusive, "/mnt"}, 2, "--preempt: no target"},
		{[]string{"iscsifs", "mount", "--shared", exclusive, "/mnt"}, 2, "--shared: iqn.2026-11.org.example:a has exclusive = true"},
		{[]string{"iscsifs", "login", "/mnt"}, 2, "login: 1 argument, want MOUNTPOINT IQN|all"},
		{[]string{"iscsifs", "login", "--preempt", "x", "/mnt", "all"}, 2, "--preempt x: give the key"},
		{[]string{"iscsifs", "login", t.TempDir(), "all"}, 1, "no iscsifs is mounted there"},
		{[]string{"iscsifs", "mount", "-o", "wrong", valid, "/mnt"}, 2, "-o wrong: no such option"},
		{[]string{"iscsifs", "mount", "-o", "remount,ro", valid, "/mnt"}, 2, "-o remount: a mount keeps its options"},
		{[]string{"iscsifs", "check", broken}, 2, broken + ":2: target.portals[1]"},
		{[]string{"iscsifs", "check", filepath.Join(t.TempDir(), "missing.toml")}, 2, "missing.toml"},
		{[]string{"iscsifs", "check", valid}, 0, ""},
		{[]string{"iscsifs", "discover"}, 2, "discover: 0 arguments"},
		{[]string{"iscsifs", "discover", "host:port"}, 2, "discover host:port"},
		{[]string{"iscsifs", "discover", "--json", "--toml", "127.0.0.1"}, 2, "discover: --json and --toml exclude each other: give one of them\n"},
		{[]string{"iscsifs", "discover", "--luns", "--toml=discovery", "127.0.0.1"}, 2, "--luns and --toml exclude each other"},
		{[]string{"iscsifs", "discover", "--toml=tables", "127.0.0.1"}, 2, "discover: --toml=tables: give one of target, discovery\n"},
		{[]string{"iscsifs", "--no-such-flag"}, 2, "iscsifs: unknown flag: --no-such-flag; see `iscsifs --help`\n"},
		{[]string{"iscsifs", "status", empty}, 1, "iscsifs: status " + empty + ": no iscsifs is mounted there"},
		{[]string{"iscsifs", "sync", empty}, 1, "iscsifs: sync " + empty + ": no iscsifs is mounted there"},
		{[]string{"iscsifs", "sync", empty + "/no"}, 1, "iscsifs: sync " + empty + "/no: there is no such directory\n"},
		{[]string{"iscsifs", "logout", empty + "/no", "all"}, 1, "iscsifs: logout " + empty + "/no: there is no such directory\n"},
		{[]string{"iscsifs", "discover", "--chap-user", "me", "127.0.0.1"}, 2, "discover: --chap-user also needs --chap-password-file\n"},
		{[]string{"iscsifs", "discover", "--mutual-chap-password-file", "f", "127.0.0.1"}, 2, "--mutual-chap-password-file also needs --mutual-chap-user\n"},
		{[]string{"iscsifs", "umount", "--timeout", "-1s", "/mnt"}, 2, "umount: --timeout -1s: must be at least 0s"},
		{[]string{"iscsifs", "umount", "--timeout", "30", "/mnt"}, 2, `umount: --timeout 30: "30" has no unit; write "30s" for seconds`},
		{[]string{"iscsifs", "status", "--watch", "1s"}, 2, "status: write --watch=1s, with a =\n"},
		{[]string{"iscsifs", "status", "--watch", "1", "/mnt"}, 2, "status: write --watch=1s, with a =\n"},
		{[]string{"iscsifs", "status", "--watch=1ms"}, 2, "--watch=1ms is below 100ms"},
		{[]string{"iscsifs", "umount", "--lazy", "--force", "/mnt"}, 2, "umount: --lazy leaves the holders alone and --force cuts them off: give one of them"},
		{[]string{"iscsifs", "help", "nope"}, 2, "help nope: no such command"},
		{[]string{"iscsifs", "help", "mount", "nope"}, 2, "help mount nope: no such command"},
		{[]string{"iscsifs", "help", "mount"}, 0, ""},
		{[]string{"iscsifs", "help"}, 0, ""},
		{[]string{"iscsifs", "umount", t.TempDir()}, 1, "no iscsifs is mounted there"},
		{[]string{"/sbin/mount.iscsifs", valid}, 1, "mount.iscsifs: 1 argument"},
		{[]string{"/sbin/mount.iscsifs", valid, "/mnt", "-o", "wrong"}, 1, "-o wrong"},
		{[]string{"/sbin/mount.iscsifs", broken, "/mnt"}, 1, "broken.toml:2"},
		{[]string{"/sbin/mount.iscsifs", valid, "/mnt", "-N", "/proc/1/ns/mnt"}, 1, "mount namespace"},
		{[]string{"/sbin/mount.iscsifs", valid, "/no/such/directory", "-f"}, 32, "no such directory"},
		{[]string{"/sbin/umount.fuse.iscsifs"}, 1, "umount.fuse.iscsifs: 0 arguments"},
		{[]string{"/sbin/umount.fuse.iscsifs", t.TempDir()}, 32, "no iscsifs is mounted there"},
	} {
		got := run(t, c.args...)
		if got.code != c.code || !strings.Contains(got.stderr, c.words) || c.code == 0 && got.stderr != "" {
			t.Errorf("%q: code %d, want %d; stderr: %s", c.args, got.code, c.code, got.stderr)
		}
		if strings.Contains(got.stderr, "Usage:") {
			t.Errorf("%q dumps the usage: %s", c.args, got.stderr)
		}
	}
}

// Faults stand on lines of their own, as editors know them; then comes the sum.
func TestFaultsMessage(t *testing.T) {
	path := file(t, "nas.toml", "[[target]]\nportals = []\niqn = 7\nwrong = 1\n")
	_, _, err := config.Load(path)
	if err == nil {
		t.Fatal("the configuration is valid")
	}
	lines := strings.Split(strings.TrimSpace(message(usageError("%w", err))), "\n")
	last := len(lines) - 1
	for _, line := range lines[:last] {
		if !strings.HasPrefix(line, path+":") {
			t.Errorf("no fault: %s", line)
		}
	}
	if lines[last] != "iscsifs: "+path+": 3 faults; nothing was contacted" {
		t.Errorf("the last line is %q", lines[last])
	}
}

func TestMessage(t *testing.T) {
	for want, err := range map[string]error{
		"iscsifs: it failed\n":                           errors.New("it failed"),
		"iscsifs: a failed\niscsifs: b failed\n":         errors.Join(errors.New("a failed"), errors.New("b failed")),
		"iscsifs: in use\n  by one\n  by another\n":      errors.New("in use\n  by one\n  by another\n"),
		"iscsifs: x\n  more of x\niscsifs: and then y\n": errors.Join(errors.New("x\n  more of x"), errors.New("and then y")),
		"iscsifs: with a code\n":                         exitcode.Errorf(exitcode.Dirty, "with a code"),
	} {
		if got := message(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Every command explains itself and its flags, and its help ends with its example.
func TestHelp(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		got := run(t, append(strings.Fields(c.CommandPath()), "--help")...)
		if got.code != 0 || c.Short == "" || c.Example == "" || !strings.HasSuffix(got.stdout, "Example:\n"+c.Example+"\n") {
			t.Errorf("%s: code %d, help:\n%s", c.CommandPath(), got.code, got.stdout)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || !strings.Contains(got.stdout, "--"+f.Name) {
				t.Errorf("%s --%s is not explained", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check((&program{}).rootCommand())
	if got := run(t, "iscsifs"); got.code != 0 || !strings.Contains(got.stdout, "umount") {
		t.Errorf("without arguments: code %d\n%s", got.code, got.stdout)
	}
}

func TestDaemonArgs(t *testing.T) {
	r := mountRequest{config: "/etc/nas.toml", mountpoint: "/mnt/-f", options: []string{"ro", "uid=1"}, readOnly: true, shared: true, preempt: "0x1f"}
	got, err := r.daemonArgs()
	want := "mount -o ro -o uid=1 --read-only --shared --preempt 0x1f -- /etc/nas.toml /mnt/-f"
	if err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, %v", got, err)
	}
}
