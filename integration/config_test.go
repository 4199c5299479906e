package integration

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

// config is what a test has to say about its mount; the rest is the default.
type config struct {
	portal string
	others []string // further portals
	iqn    string
	in     tgt.Account // CHAP; empty: none
	out    tgt.Account // mutual CHAP; empty: one-way
	name   string      // of the initiator; empty: initiatorName
	target string      // further lines of [[target]]
	tables string      // further tables
	noLog  bool        // leave the log where it is by default
}

const initiatorName = "iqn.2026-11.org.example:iscsifs-test"

// The accounts of every test with CHAP.
var (
	hostAccount   = tgt.Account{User: "host", Password: "HostSecret-1234"}
	targetAccount = tgt.Account{User: "nas", Password: "TargetSecret-5678"}
)

// toml writes the configuration out; the daemon logs to logFile.
func (c config) toml(logFile string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[initiator]\nname = %q\n\n", cmp.Or(c.name, initiatorName))
	if !c.noLog {
		fmt.Fprintf(&b, "[log]\nfile = %q\nlevel = \"debug\"\n\n", logFile)
	}
	if c.tables != "" {
		fmt.Fprintf(&b, "%s\n\n", c.tables)
	}
	portals := strings.ReplaceAll(fmt.Sprintf("%q", append([]string{c.portal}, c.others...)), " ", ", ")
	fmt.Fprintf(&b, "[[target]]\nportals = %s\niqn = %q\n%s\n", portals, c.iqn, c.target)
	if c.in != (tgt.Account{}) {
		fmt.Fprintf(&b, "[target.chap]\nusername = %q\npassword = %q\n", c.in.User, c.in.Password)
	}
	if c.out != (tgt.Account{}) {
		fmt.Fprintf(&b, "mutual_username = %q\nmutual_password = %q\n", c.out.User, c.out.Password)
	}
	return b.String()
}

// writeConfig puts a configuration into a file that only the host's user can read.
func (h *host) writeConfig(c config) string {
	h.t.Helper()
	return h.write("nas.toml", c.toml(h.path("log/daemon.log")), 0o600)
}
