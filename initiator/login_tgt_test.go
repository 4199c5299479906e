package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	tgtOpen    = "iqn.2026-11.org.example:open"
	tgtDigests = "iqn.2026-11.org.example:digests"
	tgtName    = "iqn.2026-11.org.example:login"
	tgtOther   = "iqn.2026-11.org.example:mutual"
)

// tgtd is a real target, tgt's, with a control port and a portal of its own.
type tgtd struct {
	t       *testing.T
	control string // tgt takes numbers up to 32767
	portal  string
}

// startTgtd runs tgtd until the test ends: one target with one-way CHAP
// accounts as the test adds them.
func startTgtd(t *testing.T) *tgtd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("tgtd needs root")
	}
	path, err := exec.LookPath("/usr/sbin/tgtd")
	if err != nil {
		t.Skip("no /usr/sbin/tgtd: install tgt")
	}
	port := freePort(t)
	d := &tgtd{t: t, control: strconv.Itoa(port & 0x7fff), portal: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	cmd := exec.Command(path, "-f", "-C", d.control, "--iscsi", "portal="+d.portal)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	d.wait()
	return d
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// wait blocks until tgtd takes commands and connections.
func (d *tgtd) wait() {
	d.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		nc, err := net.Dial("tcp", d.portal)
		if err == nil {
			nc.Close()
			if _, err = d.command("--op", "show", "--mode", "sys"); err == nil {
				return
			}
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("tgtd does not come up: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *tgtd) command(args ...string) (string, error) {
	args = append([]string{"-C", d.control, "--lld", "iscsi"}, args...)
	out, err := exec.Command("/usr/sbin/tgtadm", args...).CombinedOutput()
	return string(out), err
}

func (d *tgtd) admin(args string) {
	d.t.Helper()
	if out, err := d.command(strings.Fields(args)...); err != nil {
		d.t.Fatalf("tgtadm %s: %v: %s", args, err, out)
	}
}

func (d *tgtd) addTarget(tid int, name string) {
	d.t.Helper()
	d.admin(fmt.Sprintf("--op new --mode target --tid %d -T %s", tid, name))
	d.admin(fmt.Sprintf("--op bind --mode target --tid %d -I ALL", tid))
}

func testConfig() *Config {
	c := Config{
		InitiatorName: "iqn.2026-11.org.example:initiator",
		TargetName:    tgtName,
		ISID:          [6]byte{0x80, 1, 2, 3, 4, 5},
		LoginTimeout:  5 * time.Second,
	}.withDefaults()
	return &c
}

// refusedFor is what a user reads who was refused, by the case of TestLoginTgt.
var refusedFor = map[string]string{
	"CHAP left out":                       "set the CHAP user name and password",
	"wrong password":                      "the CHAP user name or the password is wrong",
	"wrong user":                          "the CHAP user name or the password is wrong",
	"mutual CHAP that the target has not": "does it have CHAP set up for this target?",
}

func TestLoginTgt(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d := startTgtd(t)
	d.addTarget(1, tgtOpen)
	d.addTarget(2, tgtName)
	d.addTarget(3, tgtOther)
	d.addTarget(4, tgtDigests)
	d.admin("--op update --mode target --tid 4 --name HeaderDigest --value CRC32C")
	d.admin("--op update --mode target --tid 4 --name DataDigest --value CRC32C,None")
	d.admin("--op new --mode account --user host --password initiator-secret")
	d.admin("--op new --mode account --user nas --password target-secret-1")
	d.admin("--op bind --mode account --tid 2 --user host")
	d.admin("--op bind --mode account --tid 3 --user host")
	d.admin("--op bind --mode account --tid 3 --user nas --outgoing")

	oneWay := &CHAP{Username: "host", Secret: []byte("initiator-secret")}
	mutual := &CHAP{"host", []byte("initiator-secret"), "nas", []byte("target-secret-1")}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   error
		digest bool
	}{
		{"no authentication", func(c *Config) { c.TargetName = tgtOpen }, nil, false},
		{"CHAP that the target does not ask for", func(c *Config) { c.TargetName, c.CHAP = tgtOpen, oneWay }, nil, false},
		{"mutual CHAP that the target has not", func(c *Config) { c.TargetName, c.CHAP = tgtOpen, mutual }, LoginAuthenticationFailure, false},
		{"discovery", func(c *Config) { c.TargetName = "" }, nil, false},
		{"digests", func(c *Config) {
			c.TargetName, c.HeaderDigest, c.DataDigest = tgtDigests, DigestCRC32C, DigestPrefer
		}, nil, true},
		{"digest that the target has not", func(c *Config) { c.TargetName, c.HeaderDigest = tgtOpen, DigestCRC32C }, errDigest, false},
		{"CHAP", func(c *Config) { c.CHAP = oneWay }, nil, false},
		{"CHAP left out", func(*Config) {}, LoginAuthenticationFailure, false},
		{"wrong password", func(c *Config) { c.CHAP = &CHAP{Username: "host", Secret: []byte("wrong-password")} }, LoginAuthenticationFailure, false},
		{"wrong user", func(c *Config) { c.CHAP = &CHAP{Username: "hose", Secret: oneWay.Secret} }, LoginAuthenticationFailure, false},
		{"mutual CHAP", func(c *Config) { c.TargetName, c.CHAP = tgtOther, mutual }, nil, false},
		{"wrong mutual password", func(c *Config) {
			c.TargetName, c.CHAP = tgtOther, &CHAP{"host", []byte("initiator-secret"), "nas", []byte("not-target-secret")}
		}, ErrAuthentication, false},
		{"wrong mutual user", func(c *Config) {
			c.TargetName, c.CHAP = tgtOther, &CHAP{"host", []byte("initiator-secret"), "nos", []byte("target-secret-1")}
		}, ErrAuthentication, false},
		{"no such target", func(c *Config) { c.TargetName += "x" }, LoginNotFound, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			tt.change(cfg)
			c, err := connect(context.Background(), cfg, d.portal)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if words := refusedFor[tt.name]; words != "" && !strings.HasSuffix(err.Error(), "(login status 0x0201); "+words) {
				t.Errorf("the error does not say %q: %v", words, err)
			}
			if err != nil {
				return
			}
			defer c.conn.Close()
			if c.params.HeaderDigest != tt.digest || c.params.DataDigest != tt.digest {
				t.Errorf("digests: got %v and %v, want %v", c.params.HeaderDigest, c.params.DataDigest, tt.digest)
			}
		})
	}
}
