package integration

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

// The passwords of TestSecretsStaySecret, each like nothing else that may be written.
const (
	ownPassword       = "Own-Xq7vTz3kWm9p"
	filePassword      = "File-Jd4sRb8nLc2y"
	mutualPassword    = "Mutual-Gh6wPf1xVn5t"
	discoveryPassword = "Discovery-Ky3mZs9qHb7d"
	wrongPassword     = "Wrong-Tn8cDw5jXf2r"
)

// TestSecretsStaySecret: passwords are in no output, log, argument, environment, or
// dump of goroutines, whatever is done, as far as the log goes down.
func TestSecretsStaySecret(t *testing.T) {
	h := newHost(t)
	account := func(secret string) *target.CHAP {
		return &target.CHAP{User: "host", Secret: secret, MutualUser: "nas", MutualSecret: mutualPassword}
	}
	s := h.scriptWith(target.Config{
		IQN: scriptedIQN, LUNs: []*target.LUN{target.NewMemoryLUN(mib, 512)}, CHAP: account(ownPassword), Strict: true,
		Others:        []target.Node{{IQN: scriptedIQN + "-two", LUNs: []*target.LUN{target.NewMemoryLUN(mib, 512)}, CHAP: account(filePassword)}},
		DiscoveryCHAP: account(discoveryPassword),
	})
	w := &secretWatch{h: h}
	files := map[string]string{}
	for _, secret := range []string{filePassword, mutualPassword, discoveryPassword, wrongPassword} {
		kind, _, _ := strings.Cut(secret, "-")
		files[secret] = h.write(kind, secret+"\n", 0o600)
	}
	toml := func(own string) string {
		return fmt.Sprintf(`
[initiator]
name = %q
[log]
file = %q
level = "trace"
[[target]]
portals = [%q]
iqn = %q
[target.chap]
username = "host"
password = %q
mutual_username = "nas"
mutual_password = %q
[[target]]
portals = [%q]
iqn = "%s-two"
directory = "two"
[target.chap]
username = "host"
password_file = %q
mutual_username = "nas"
mutual_password_file = %q
`, initiatorName, h.path("log/daemon.log"), s.Addr(), scriptedIQN, own, mutualPassword,
			s.Addr(), scriptedIQN, files[filePassword], files[mutualPassword])
	}
	config, point := h.write("nas.toml", toml(ownPassword), 0o644), h.mountpoint() // warns that others can read it
	wrong := h.write("wrong.toml", toml(wrongPassword), 0o600)
	same := h.write("same.toml", toml(mutualPassword), 0o600)
	half := h.write("half.toml", strings.ReplaceAll(toml(ownPassword), "mutual_username", "mutual_user"), 0o600)

	w.run(exitDone, "mount", config, point)
	m := &mounted{h: h, point: point, config: config}
	t.Cleanup(m.umount)
	daemon := m.daemon(t)
	unix.Kill(daemon, unix.SIGUSR1)
	for _, args := range [][]string{
		{"status"}, {"status", "-vv", point}, {"status", "--json", point}, {"sync", point}, {"rescan", point},
		{"check", config}, {"check", "--show", config}, {"check", "--connect", config}, {"version", "-v"},
		{"discover", s.Addr(), "--chap-user", "host", "--chap-password-file", files[discoveryPassword],
			"--mutual-chap-user", "nas", "--mutual-chap-password-file", files[mutualPassword], "--toml"},
	} {
		w.run(exitDone, args...)
	}
	for _, place := range []string{"cmdline", "environ", "maps", "comm"} {
		w.file(fmt.Sprintf("/proc/%d/%s", daemon, place))
	}
	s.CutConnections() // the logins of a recovery are logged, too
	if !eventually(commandTimeout, func() bool { return m.h.status(point).Mounts[0].Targets[0].Reconnects > 0 }) {
		t.Error("no reconnect")
	}
	m.umount()
	w.run(exitRefused, "mount", wrong, point)
	w.run(exitRefused, "check", "--connect", wrong)
	w.run(exitUsage, "check", same)
	w.run(exitUsage, "mount", half, point)
	w.run(exitRefused, "discover", s.Addr(), "--chap-user", "host", "--chap-password-file", files[wrongPassword])
	w.dump(config, point)
	err := filepath.WalkDir(h.path("log"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			w.file(path)
		}
		return err
	})
	if err != nil || w.seen < 30<<10 {
		t.Errorf("only %d bytes were looked at (%v)", w.seen, err)
	}
}

// secretWatch looks for passwords in all that the program writes.
type secretWatch struct {
	h    *host
	seen int // bytes
}

// run runs the program, whose exit code must be code.
func (w *secretWatch) run(code int, args ...string) {
	w.h.t.Helper()
	r := w.h.iscsifs(args...)
	if r.code != code {
		w.h.t.Errorf("iscsifs %q: exit code %d, want %d\n%s", args, r.code, code, r.stderr)
	}
	w.look("iscsifs "+strings.Join(args, " "), r.stdout+r.stderr)
}

func (w *secretWatch) file(path string) {
	w.h.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.h.t.Error(err)
	}
	w.look(path, string(text))
}

// look fails if a password stands in text, in any form that Go gives to bytes.
func (w *secretWatch) look(where, text string) {
	w.h.t.Helper()
	w.seen += len(text)
	for _, secret := range []string{ownPassword, filePassword, mutualPassword, discoveryPassword, wrongPassword} {
		for _, form := range []string{
			secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
			strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
			strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
		} {
			if strings.Contains(text, form) {
				w.h.t.Errorf("%s has the password %s", where, secret)
			}
		}
	}
	if strings.Contains(text, "CHAP_R") { // a password can be guessed from it
		w.h.t.Errorf("%s has a CHAP response", where)
	}
}

// dump has a daemon in the foreground write its goroutines out, as SIGQUIT does.
func (w *secretWatch) dump(config, point string) {
	w.h.t.Helper()
	cmd, cancel := w.h.command(w.h.program(), "mount", "-f", config, point)
	defer cancel()
	cmd.Env = append(cmd.Env, "GOTRACEBACK=all")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		w.h.t.Fatal(err)
	}
	if !eventually(commandTimeout, func() bool { return len(mountsOf(point)) > 0 }) {
		w.h.t.Error("no mount")
	}
	cmd.Process.Signal(unix.SIGQUIT)
	_ = cmd.Wait()
	if !strings.Contains(stderr.String(), "goroutine ") {
		w.h.t.Errorf("no goroutines in\n%s", stderr.String())
	}
	w.look("SIGQUIT", stderr.String())
	w.run(exitDone, "umount", point) // clears what the dead daemon leaves
}
