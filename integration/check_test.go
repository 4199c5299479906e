package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	h := newHost(t)
	c := config{portal: "127.0.0.1:1", iqn: targetIQN, in: hostAccount, out: targetAccount}
	file := h.writeConfig(c)
	h.mustIscsifs("check", file)
	shown := h.mustIscsifs("check", "--show", file)
	name, _ := os.Hostname()
	owner := fmt.Sprintf("uid         = %d\n", os.Getuid())
	for _, want := range []string{targetIQN, "login_timeout", "replacement_timeout", fmt.Sprintf("alias = %q\n", name), owner} {
		if !strings.Contains(shown, want) {
			t.Errorf("check --show says nothing of %s:\n%s", want, shown)
		}
	}
	if strings.Contains(shown, hostAccount.Password) || strings.Contains(shown, targetAccount.Password) {
		t.Error("check --show shows a password")
	}
}

// check --connect looks at a target and disturbs no live session.
func TestCheckConnect(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk}).withCHAP(t)
	m := h.mount(s.config())
	f := open(t, m.lun(1), os.O_RDONLY)
	h.mustIscsifs("check", "--connect", m.config)
	if _, err := f.ReadAt(make([]byte, 4096), 0); err != nil {
		t.Error(err)
	}
	if n := h.status(m.point).Mounts[0].Targets[0].Reconnects; n != 0 {
		t.Errorf("the live session reconnected %d times", n)
	}
	wrong := s.config()
	wrong.in.Password = "NotTheSecret-99"
	h.iscsifs("check", "--connect", h.writeConfig(wrong)).wantFailure(t, exitRefused, s.portal)
}

// TestProbesUnderLoad: discover and check have identities of their own. A login with
// that of a live session would end it (RFC 7143, Section 6.3.5).
func TestProbesUnderLoad(t *testing.T) {
	needTools(t, "fio")
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	m := h.mount(s.config())
	load := h.load(fioJob{"--rw=randrw", "--bs=4k", "--size=4m", "--ioengine=psync", "--numjobs=4", "--time_based", "--runtime=3",
		"--verify=crc32c", "--offset_increment=4m"}, m.lun(1))
	probes := 0
	for ; !load.ended(); probes++ {
		h.mustIscsifs("discover", "--luns", s.portal)
		h.mustIscsifs("check", "--connect", m.config)
	}
	load.wait()
	if probes < 2 {
		t.Errorf("%d rounds of probes beside fio: nothing was tested", probes)
	}
	if n := h.status(m.point).Mounts[0].Targets[0].Reconnects; n != 0 {
		t.Errorf("the live session was lost %d times in %d rounds of probes", n, probes)
	}
}

func TestVersion(t *testing.T) {
	h := newHost(t)
	if out := h.mustIscsifs("version"); !strings.HasPrefix(out, "iscsifs ") {
		t.Errorf("version says %q", out)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := h.mustIscsifs("completion", shell); !strings.Contains(out, "iscsifs") {
			t.Errorf("completion for %s: %q", shell, out)
		}
	}
}

// Every command's help ends with an example.
func TestHelp(t *testing.T) {
	h := newHost(t)
	if r := h.iscsifs("no-such-command"); r.code != exitUsage {
		t.Errorf("unknown command: exit code %d, want %d", r.code, exitUsage)
	}
	for _, command := range []string{"mount", "umount", "sync", "status", "discover", "check"} {
		if out := h.mustIscsifs(command, "--help"); !strings.Contains(out, "iscsifs "+command) || !strings.Contains(out, "Example") {
			t.Errorf("the help of %s has no example:\n%s", command, out)
		}
	}
}
