package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

// openISCSI has a row for each thing that is done with open-iscsi, and is named as the
// README's table is. Each test looks at the target for the effect.
var openISCSI = []struct {
	command string
	test    func(h *host, s *storage)
}{
	{"`/etc/iscsi/initiatorname.iscsi`", rowInitiatorName},
	{"`-m discovery -t st -p IP`", rowDiscovery},
	{"`discovery.sendtargets.auth.*`", rowDiscoveryCHAP},
	{"`-m discoverydb -t st -p IP -o new`, `-D -l`", rowDiscoveryDB},
	{"`-m node`, `-m node -T IQN -p IP`", rowShowRecords},
	{"`node.session.auth.*`", rowSessionCHAP},
	{"`-m node -T IQN -l`", rowLogin},
	{"`-m node -T IQN -p IP -l`, `-u`", rowPath},
	{"`-m node -L all`", rowLoginAll},
	{"`-m node -T IQN -u`", rowLogout},
	{"`-m node -U all`", rowLogoutAll},
	{"`-m session`, `-P 3`", rowSession},
	{"`-m session -s`", rowStats},
	{"`-m session -r SID -o new`", rowMoreSessions},
	{"`/dev/disk/by-path`, `by-id`", rowByPath},
	{"`-m session -R`", rowRescan},
	{"`node.startup`", rowStartup},
	{"`iscsid.safe_logout`", rowSafeLogout},
	{"`umount`, `-U all` at shutdown", rowShutdown},
	{"`node.session.timeo.replacement_timeout`", rowReplacement},
	{"`node.conn[0].timeo.noop_out_*`", rowNoopOut},
	{"`-m node -T IQN -o update`", rowUpdate},
	{"`-m node -T IQN -o delete`", rowDelete},
	{"`-m discoverydb -p IP -o delete`", rowDeleteDiscovery},
	{"`-m iface`, `-I IFACE`", rowInterface},
	{"`-m discovery -t isns`, SLP", rowISNS},
}

// TestOpenISCSI walks through what iscsiadm does.
func TestOpenISCSI(t *testing.T) {
	needRoot(t)
	for _, row := range openISCSI {
		t.Run(strings.ReplaceAll(row.command, "/", "⁄"), func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			row.test(h, newStorage(h))
		})
	}
}

// TestOpenISCSITable: the README has a line for each row, in this order, and no others.
func TestOpenISCSITable(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Coming from open-iscsi")
	section, _, _ = strings.Cut(section, "\n## ")
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| ([^|]*`[^|]*?) \\|").FindAllStringSubmatch(section, -1) {
		got = append(got, row[1])
	}
	for _, row := range openISCSI {
		want = append(want, row.command)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the README has the rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// storage is a tgtd with two targets of a LUN each.
type storage struct {
	h      *host
	daemon *tgt.Daemon
	a, b   *tgt.Target
	file   string // behind LUN 1 of a
	point  string // of the mount
}

const (
	storageA = targetIQN + ".a"
	storageB = targetIQN + ".b"
)

func newStorage(h *host) *storage {
	s := &storage{h: h, daemon: h.startTGT(), point: h.mountpoint()}
	s.a, s.file = s.target(storageA)
	s.b, _ = s.target(storageB)
	h.t.Cleanup(func() {
		if len(mountsOf(s.point)) > 0 {
			h.mustIscsifs("umount", s.point)
		}
		s.wantSessions(s.a, 0)
	})
	return s
}

func (s *storage) target(iqn string) (*tgt.Target, string) {
	target, err := s.daemon.AddTarget(iqn, nil)
	if err != nil {
		s.h.t.Fatal(err)
	}
	file := s.h.write(filepath.Base(iqn)+".img", strings.Repeat("x", 8*mib), 0o600)
	if _, err := target.AddLUN(tgt.LUN{Path: file}); err != nil {
		s.h.t.Fatal(err)
	}
	return target, file
}

// record is the [[target]] of a target, with further lines.
func (s *storage) record(iqn, more string) string {
	return fmt.Sprintf("[[target]]\nportals = [%q]\niqn = %q\ndirectory = %q\n%s\n", s.daemon.Portal(), iqn, iqn[len(targetIQN)+1:], more)
}

// both is the configuration of both targets.
func (s *storage) both() string { return s.record(storageA, "") + s.record(storageB, "") }

// config writes the configuration.
func (s *storage) config(text string) string {
	head := fmt.Sprintf("[initiator]\nname = %q\n[log]\nfile = %q\nlevel = \"debug\"\n", initiatorName, s.h.path("log/daemon.log"))
	return s.h.write("nas.toml", head+text, 0o600)
}

func (s *storage) mount(text string) { s.h.mustIscsifs("mount", s.config(text), s.point) }

// wantSessions counts the sessions at a target.
func (s *storage) wantSessions(t *tgt.Target, n int) []string {
	s.h.t.Helper()
	var names []string
	var err error
	if !eventually(patience, func() bool { names, err = t.Sessions(); return err == nil && len(names) == n }) {
		s.h.t.Errorf("%s has the sessions %v (%v), want %d", t.IQN, names, err, n)
	}
	return names
}

// wantFile tells whether the file of a target's LUN is there.
func (s *storage) wantFile(name string, there bool) {
	s.h.t.Helper()
	if _, err := os.Lstat(s.lun(name)); (err == nil) != there {
		s.h.t.Errorf("%s/lun1: %v, want it there: %v", name, err, there)
	}
}

func (s *storage) lun(name string) string { return filepath.Join(s.point, name, "lun1") }

func (s *storage) discovery(more string) string {
	return fmt.Sprintf("[[discovery]]\nportal = %q\nmatch = [\"%s.*\"]\n%s\n", s.daemon.Portal(), targetIQN, more)
}

func chapLines(table string, in, out tgt.Account) string {
	text := fmt.Sprintf("[%s]\nusername = %q\npassword = %q\n", table, in.User, in.Password)
	if out != (tgt.Account{}) {
		text += fmt.Sprintf("mutual_username = %q\nmutual_password = %q\n", out.User, out.Password)
	}
	return text
}

func rowInitiatorName(h *host, s *storage) {
	s.mount(s.both())
	for _, target := range []*tgt.Target{s.a, s.b} {
		if names := s.wantSessions(target, 1); !slices.Equal(names, []string{initiatorName}) {
			h.t.Errorf("the target knows us as %v", names)
		}
	}
}

func rowDiscovery(h *host, s *storage) {
	out := h.mustIscsifs("discover", s.daemon.Portal())
	for _, iqn := range []string{storageA, storageB} {
		wantLine(h.t, out, s.daemon.Portal()+",1 "+iqn)
	}
	s.wantSessions(s.a, 0)
}

func rowDiscoveryCHAP(h *host, s *storage) {
	if err := s.daemon.RequireDiscoveryCHAP(hostAccount, targetAccount); err != nil {
		h.t.Fatal(err)
	}
	h.iscsifs("discover", s.daemon.Portal()).wantFailure(h.t, exitRefused)
	args := []string{"discover", "--chap-user", hostAccount.User, "--chap-password-file", h.write("one", hostAccount.Password, 0o600)}
	wantLine(h.t, h.mustIscsifs(append(args, s.daemon.Portal())...), s.daemon.Portal()+",1 "+storageA)
	// The portal proves itself too, or is not believed.
	args = append(args, "--mutual-chap-user", targetAccount.User, "--mutual-chap-password-file")
	wantLine(h.t, h.mustIscsifs(append(args, h.write("two", targetAccount.Password, 0o600), s.daemon.Portal())...), s.daemon.Portal()+",1 "+storageA)
	h.iscsifs(append(args, h.write("three", "NotTheSecret-99", 0o600), s.daemon.Portal())...).wantFailure(h.t, exitRefused)
	s.mount(s.discovery("required = true") + chapLines("discovery.chap", hostAccount, targetAccount))
	s.wantSessions(s.a, 1)
	s.wantSessions(s.b, 1)
}

func rowDiscoveryDB(h *host, s *storage) {
	if err := s.b.Remove(); err != nil {
		h.t.Fatal(err)
	}
	s.mount(s.discovery("directory = \"nas-{iqn}\""))
	s.wantSessions(s.a, 1)
	s.wantFile("nas-"+storageA, true)
	var err error
	if s.b, err = s.daemon.AddTarget(storageB, nil); err != nil {
		h.t.Fatal(err)
	}
	if _, err := s.b.AddLUN(tgt.LUN{Path: h.path(filepath.Base(storageB) + ".img")}); err != nil {
		h.t.Fatal(err)
	}
	wantLine(h.t, h.mustIscsifs("rescan", s.point), "nas-"+storageB+"/lun1: new, 8.0 MiB, of "+storageB)
	s.wantSessions(s.b, 1)
	s.wantFile("nas-"+storageB, true)
}

func rowShowRecords(h *host, s *storage) {
	out := h.mustIscsifs("check", "--show", s.config(s.both()+"[target.chap]\nusername = \"u\"\npassword = \"a secret to mask\"\n"))
	for _, want := range []string{storageA, storageB, s.daemon.Portal(), "replacement_timeout = \"2m\"", "********"} {
		if !strings.Contains(out, want) {
			h.t.Errorf("check --show does not show %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "a secret to mask") {
		h.t.Error("it shows the password")
	}
	s.wantSessions(s.a, 0)
	found := h.mustIscsifs("check", "--show", "--connect", s.config(s.discovery("")))
	if !strings.Contains(found, "iqn       = \""+storageA+"\"") || !strings.Contains(found, storageB+": logged in, 1 disk") {
		h.t.Errorf("check --show --connect does not show what is found:\n%s", found)
	}
	s.wantSessions(s.a, 0)
}

func rowSessionCHAP(h *host, s *storage) {
	if err := s.a.RequireCHAP(hostAccount, targetAccount); err != nil {
		h.t.Fatal(err)
	}
	other := tgt.Account{User: "other", Password: "AnotherSecret-1"}
	if err := s.b.RequireCHAP(other, tgt.Account{}); err != nil {
		h.t.Fatal(err)
	}
	wrong := targetAccount
	wrong.Password = "NotTheSecret-99"
	h.iscsifs("mount", s.config(s.record(storageA, chapLines("target.chap", hostAccount, wrong))), s.point).wantFailure(h.t, exitRefused)
	s.wantSessions(s.a, 0)
	s.mount(s.record(storageA, chapLines("target.chap", hostAccount, targetAccount)) + s.record(storageB, chapLines("target.chap", other, tgt.Account{})))
	s.wantSessions(s.a, 1)
	s.wantSessions(s.b, 1)
}

func rowLogin(h *host, s *storage) {
	s.mount(s.record(storageA, "login = \"manual\"") + s.record(storageB, "login = \"manual\""))
	s.wantSessions(s.a, 0)
	s.wantFile("a", false)
	h.mustIscsifs("login", s.point, storageA)
	s.wantSessions(s.a, 1)
	s.wantSessions(s.b, 0)
	s.wantFile("a", true)
	h.mustIscsifs("login", s.point, storageA)
	s.wantSessions(s.a, 1)
}

func rowPath(h *host, s *storage) {
	lines := [2]*line{newLine(h.t, s.daemon.Portal()), newLine(h.t, s.daemon.Portal())}
	first, second := lines[0].Addr(), lines[1].Addr()
	s.mount(strings.Replace(s.record(storageA, ""), fmt.Sprintf("[%q]", s.daemon.Portal()), fmt.Sprintf("[%q, %q]", first, second), 1))
	s.wantSessions(s.a, 2)
	holder := h.holder(s.lun("a"))
	h.mustIscsifs("logout", "--portal", first, s.point, storageA) // who uses the file does not notice
	s.wantSessions(s.a, 1)
	h.sh(`cat "$1" >/dev/null`, s.lun("a"))
	h.iscsifs("logout", "--portal", second, s.point, storageA).wantFailure(h.t, exitInUse, "kill "+itoa(int64(holder.Process.Pid)))
	h.mustIscsifs("login", "--portal", first, s.point, storageA)
	s.wantSessions(s.a, 2)
	release(holder)
	h.mustIscsifs("logout", "--portal", first, s.point, storageA)
	h.mustIscsifs("logout", "--portal", second, s.point, storageA) // the last is the target
	s.wantSessions(s.a, 0)
	s.wantFile("a", false)
	h.mustIscsifs("login", "--portal", second, s.point, storageA)
	s.wantSessions(s.a, 1)
	s.wantFile("a", true)
}

func rowLoginAll(h *host, s *storage) {
	s.mount(s.record(storageA, "login = \"manual\"") + s.record(storageB, "login = \"manual\""))
	h.mustIscsifs("login", s.point, "all")
	s.wantSessions(s.a, 1)
	s.wantSessions(s.b, 1)
	s.wantFile("a", true)
	s.wantFile("b", true)
}

func rowLogout(h *host, s *storage) {
	s.mount(s.both() + "[cache]\nflush_interval = \"1h\"\n")
	// Written and not synchronized: dd would do that as it closes.
	w := h.writer(s.lun("a"), 0)
	w.write('w')
	w.end()
	h.mustIscsifs("logout", s.point, storageA)
	s.wantSessions(s.a, 0)
	s.wantSessions(s.b, 1)
	s.wantFile("a", false)
	s.wantFile("b", true)
	if data, err := os.ReadFile(s.file); err != nil || data[0] != 'w' {
		h.t.Errorf("what was written is not on the target: %v", err)
	}
	h.mustIscsifs("rescan", s.point)
	h.mustIscsifs("reload", s.point)
	s.wantSessions(s.a, 0)
	h.mustIscsifs("login", s.point, storageA)
	h.sh(`cmp "$1" "$2"`, s.lun("a"), s.file)
}

func rowLogoutAll(h *host, s *storage) {
	s.mount(s.both())
	h.mustIscsifs("logout", s.point, "all")
	s.wantSessions(s.a, 0)
	s.wantSessions(s.b, 0)
	if left := h.sh(`find "$1" -mindepth 1 | wc -l`, s.point); strings.TrimSpace(left) != "0" {
		h.t.Errorf("%s names are left", left)
	}
}

func rowSession(h *host, s *storage) {
	s.mount(s.both())
	plain := h.mustIscsifs("status", s.point)
	all := h.mustIscsifs("status", "-vv", s.point)
	for _, iqn := range []string{storageA, storageB} {
		if !strings.Contains(plain, iqn+"  logged in") {
			h.t.Errorf("status does not show %s:\n%s", iqn, plain)
		}
	}
	for _, want := range []string{s.daemon.Portal() + ",1", "MaxRecvDataSegmentLength", "HeaderDigest", s.lun("a"), "scsicmd_pdus"} {
		if !strings.Contains(all, want) {
			h.t.Errorf("status -vv does not show %s:\n%s", want, all)
		}
	}
	s.wantSessions(s.a, 1)
}

func rowStats(h *host, s *storage) {
	s.mount(s.record(storageA, ""))
	h.sh(`cat "$1" >/dev/null`, s.lun("a"))
	stats := h.sh(`"$1" status --json "$2" | grep -A30 '"stats"'`, h.program(), s.point)
	received := regexp.MustCompile(`"rxdata_octets": ([0-9]+)`).FindStringSubmatch(stats)
	if received == nil || len(received[1]) < len(itoa(8*mib)) {
		h.t.Errorf("8 MiB were read, and status --json has %v:\n%s", received, stats)
	}
}

func rowMoreSessions(h *host, s *storage) {
	s.mount(s.record(storageA, "[target.session]\nsessions = 3"))
	s.wantSessions(s.a, 3)
	h.sh(`cmp "$1" "$2"`, s.lun("a"), s.file)
}

func rowRescan(h *host, s *storage) {
	s.mount(s.both())
	if _, err := s.b.AddLUN(tgt.LUN{Path: h.write("more.img", strings.Repeat("y", 4*mib), 0o600)}); err != nil {
		h.t.Fatal(err)
	}
	out := h.mustIscsifs("rescan", s.point)
	if !strings.Contains(out, "b/lun2: new, 4.0 MiB") && h.sh(`cat "$1" | wc -c`, s.point+"/b/lun2") == "" {
		h.t.Errorf("rescan prints %q", out)
	}
	h.sh(`cmp "$1" "$2"`, s.point+"/b/lun2", h.path("more.img"))
	s.wantSessions(s.b, 1)
}

func rowStartup(h *host, s *storage) {
	s.mount(s.record(storageA, "login = \"auto\"") + s.record(storageB, "login = \"manual\""))
	s.wantSessions(s.a, 1)
	s.wantSessions(s.b, 0)
	s.wantFile("b", false)
	h.mustIscsifs("umount", s.point)
	// "onboot", needed to come up, is required = true: the default.
	if err := s.b.Remove(); err != nil {
		h.t.Fatal(err)
	}
	h.iscsifs("mount", s.config(s.both()), s.point).wantFailure(h.t, exitUnreachable, storageB)
	s.wantSessions(s.a, 0)
	s.mount(s.record(storageA, "") + s.record(storageB, "required = false"))
	s.wantSessions(s.a, 1)
}

func rowSafeLogout(h *host, s *storage) {
	s.mount(s.both())
	holder := h.holder(s.lun("a"))
	h.iscsifs("logout", s.point, "all").wantFailure(h.t, exitInUse, storageA, "kill "+itoa(int64(holder.Process.Pid)))
	s.wantSessions(s.a, 1)
	s.wantFile("a", true)
	h.mustIscsifs("logout", "--force", s.point, storageA)
	s.wantSessions(s.a, 0)
}

func rowShutdown(h *host, s *storage) {
	s.mount(s.both() + "[cache]\nflush_interval = \"1h\"\n")
	w := h.writer(s.lun("a"), 1)
	w.write('s')
	w.end()
	h.mustIscsifs("umount", s.point)
	s.wantSessions(s.a, 0)
	s.wantSessions(s.b, 0)
	if data, err := os.ReadFile(s.file); err != nil || data[writerBlock] != 's' {
		h.t.Errorf("what was written is not on the target: %v", err)
	}
}

func rowReplacement(h *host, s *storage) {
	wire := tap(h.t, s.daemon.Portal())
	text := strings.Replace(s.record(storageA, "[target.session]\nreplacement_timeout = \"30s\"\n[target.cache]\nmode = \"none\""), s.daemon.Portal(), wire.Addr(), 1)
	s.mount(text)
	for range 2 {
		wire.Cut()
		h.sh(`cmp "$1" "$2"`, s.lun("a"), s.file)
	}
	s.wantSessions(s.a, 1)
	if n := h.status(s.point).Mounts[0].Targets[0].Reconnects; n != 2 {
		h.t.Errorf("status counts %d reconnects", n)
	}
}

func rowNoopOut(h *host, s *storage) {
	s.mount(s.record(storageA, "[target.session]\nnoop_interval = \"50ms\"\nnoop_timeout = \"20s\""))
	// With the default, of 5 s, there would be four.
	pinged := regexp.MustCompile(`"noptx_pdus": [0-9]{2}`)
	if !eventually(20*time.Second, func() bool { return pinged.MatchString(h.mustIscsifs("status", "--json", s.point)) }) {
		h.t.Error("a silent target is not asked for a sign of life")
	}
}

func rowByPath(h *host, s *storage) {
	s.mount(s.record(storageA, ""))
	path := fmt.Sprintf("by-path/ip-%s-iscsi-%s-lun-1", s.daemon.Portal(), storageA)
	h.sh(`cmp "$1/$2" "$3" && cmp "$1"/by-id/scsi-* "$3"`, s.point, path, s.file)
}

func rowUpdate(h *host, s *storage) {
	s.mount(s.both())
	s.config(s.record(storageA, "[target.cache]\nflush_interval = \"1s\"") + s.record(storageB, "[target.session]\nsessions = 2"))
	r := h.iscsifs("reload", s.point)
	wantLine(h.t, r.stdout, storageA+": changed: cache.flush_interval")
	r.wantFailure(h.t, exitFailed, storageB, "session.sessions", "iscsifs logout")
	s.wantSessions(s.b, 1)
	h.mustIscsifs("logout", s.point, storageB)
	h.mustIscsifs("login", s.point, storageB)
	s.wantSessions(s.b, 2)
	h.mustIscsifs("reload", s.point)
	s.config("[[target]]\niqn = 5\n")
	if r := h.iscsifs("reload", s.point); r.code != exitUsage || !strings.Contains(r.stderr, "nas.toml:") {
		h.t.Errorf("a faulty file: exit code %d\n%s", r.code, r.stderr)
	}
	s.wantSessions(s.a, 1)
}

func rowDelete(h *host, s *storage) {
	s.mount(s.both())
	holder := h.holder(s.lun("b"))
	s.config(s.record(storageA, ""))
	h.iscsifs("reload", s.point).wantFailure(h.t, exitInUse, storageB, "kill ")
	s.wantSessions(s.b, 1)
	release(holder)
	// SIGHUP does the same.
	h.sh(`kill -HUP "$1"`, itoa(int64(h.status(s.point).Mounts[0].PID)))
	s.wantSessions(s.b, 0)
	if !eventually(patience, func() bool { return len(h.status(s.point).Mounts[0].Targets) == 1 }) {
		h.t.Error("status still has both")
	}
	s.wantFile("a", true)
	s.wantFile("b", false)
}

func rowDeleteDiscovery(h *host, s *storage) {
	s.mount(s.record(storageA, "") + s.discovery(""))
	s.wantSessions(s.b, 1)
	s.config(s.record(storageA, ""))
	wantLine(h.t, h.mustIscsifs("reload", s.point), storageB+": not in the configuration any more: gone")
	s.wantSessions(s.b, 0)
	s.wantSessions(s.a, 1)
}

func rowInterface(h *host, s *storage) {
	h.iscsifs("mount", s.config(s.record(storageA, "interface = \"192.0.2.1\"")), s.point).wantFailure(h.t, exitUnreachable, "local address")
	s.wantSessions(s.a, 0)
	s.mount(s.record(storageA, "interface = \"127.0.0.2\"") + s.record(storageB, "interface = \"lo\""))
	s.wantSessions(s.b, 1)
	shown, err := s.a.Show()
	if err != nil || !strings.Contains(shown, "IP Address: 127.0.0.2") {
		h.t.Errorf("the target sees us at another address: %v\n%s", err, shown)
	}
}

func rowISNS(h *host, s *storage) {
	r := h.iscsifs("mount", s.config("[isns]\nserver = \"192.0.2.1\"\n"+s.both()), s.point)
	if r.code != exitUsage || !strings.Contains(r.stderr, "isns: unknown key") {
		h.t.Errorf("exit code %d, want %d\n%s", r.code, exitUsage, r.stderr)
	}
	s.wantSessions(s.a, 0)
}
