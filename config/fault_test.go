package config

import (
	"errors"
	"strings"
	"testing"
)

// minimal is three lines that load; what a test adds begins on line 4.
const minimal = `[[target]]
portals = ["192.0.2.7"]
iqn = "iqn.2001-04.com.example:disk1"
`

// chap is a target with room for credentials, which begin on line 5.
const chap = minimal + "[target.chap]\n"

// second is another target, whose keys begin on line 7.
const second = minimal + "[[target]]\nportals = ['192.0.2.8']\niqn = 'iqn.2001-04.com.example:disk2'\n"

// faultCases has each fault with its line and key.
var faultCases = []struct {
	name, text string
	want       []string // LINE: KEY: beginning of the message; all there are
}{
	{"empty file", "", []string{"1: target: is missing: the file names nothing"}},
	{"nothing needed", "[[target]]\n", []string{"1: target.portals: is missing", "1: target.iqn: is missing"}},
	{"number for a string", minimal + "directory = 7\n", []string{"4: target.directory: needs a string, not an integer"}},
	{"list for a string", minimal + "interface = []\n", []string{"4: target.interface: needs a string, not a list"}},
	{"string for a boolean", minimal + "read_only = 'yes'\n", []string{"4: target.read_only: needs true or false (without quotes), not a string"}},
	{"table for a string", minimal + "directory = {a = 1}\n", []string{"4: target.directory: needs a string, not a table"}},
	{"date for a string", minimal + "directory = 2026-01-01\n", []string{"4: target.directory: needs a string, not a date"}},
	{"string for a table", minimal + "chap = 'x'\n", []string{"4: target.chap: needs a table, not a string"}},
	{"string for an array of tables", "target = 'x'\n", []string{"1: target: needs tables: write [[target]], not a string"}},
	{"table for an array of tables", "[target]\niqn = 'x'\n", []string{"1: target: needs tables: write [[target]], not a table"}},
	{"number among tables", "target = [{}, 3]\n", []string{
		"1: target[1].portals: is missing", "1: target[1].iqn: is missing", "1: target[2]: needs a table, not an integer"}},
	{"array of tables for a table", minimal + "[[session]]\n", []string{"4: session: needs a table, not a list"}},

	{"slip of the pen", minimal + "read_onyl = true\n", []string{"4: target.read_onyl: unknown key; did you mean read_only?"}},
	{"begun", minimal + "direct = 'x'\n", []string{"4: target.direct: unknown key; did you mean directory?"}},
	{"no quotes", minimal + "directory = backup\n", []string{`4: target.directory: expected value but found "backup" instead; text is put in double quotes`}},
	{"capitals", minimal + "Directory = 'x'\n", []string{"4: target.Directory: unknown key; did you mean directory?"}},
	{"wrong table", minimal + "password = 'x'\n", []string{"4: target.password: unknown key here; it belongs in [target.chap]"}},
	{"own table first", minimal + "queue_depth = 3\n", []string{"4: target.queue_depth: unknown key here; it belongs in [target.session]"}},
	{"size of a target", minimal + "[target.cache]\nsize = '1MiB'\n", []string{"5: target.cache.size: unknown key here; it belongs in [cache]"}},
	{"unknown table", minimal + "[x.y]\nz = 1\n", []string{"4: x: unknown key"}},
	{"misspelt table", minimal + "[sesion]\n", []string{"4: sesion: unknown key; did you mean session?"}},

	{"no iqn", "[[target]]\nportals = ['a']\niqn = 'disk1'\n", []string{`3: target.iqn: "disk1" is no iSCSI name`}},
	{"portals as a string", "[[target]]\nportals = '192.0.2.7'\niqn = 'iqn.2001-04.com.example'\n", []string{"2: target.portals: needs a list of portals: put the string in [ ]"}},
	{"no portals", "[[target]]\nportals = []\niqn = 'iqn.2001-04.com.example'\n", []string{"2: target.portals: is empty; name at least one"}},
	{"portals over lines", "[[target]]\nportals = [\n 'a',\n '::1', # bare\n 'a:3260',\n 5,\n]\niqn = 'iqn.2001-04.com.example'\n", []string{
		`4: target.portals[2]: write an IPv6 address in brackets`, `5: target.portals[3]: "a:3260" is in the list already`, `6: target.portals[4]: needs a portal`}},
	{"luns", minimal + "luns = [0, 16384, -1, 0, '1', 1.5]\n", []string{
		"4: target.luns[2]: must be from 0 to 16383, not 16384", "4: target.luns[3]: must be from 0 to 16383, not -1",
		"4: target.luns[4]: 0 is in the list already", "4: target.luns[5]: needs an integer", "4: target.luns[6]: needs an integer"}},
	{"no luns", minimal + "luns = []\n", []string{"4: target.luns: is empty; leave the key out"}},
	{"directory with a slash", minimal + "directory = 'a/b'\n", []string{`4: target.directory: "a/b" has a slash`}},
	{"directory out of the mount", minimal + "directory = '..'\n", []string{`4: target.directory: ".." is not allowed`}},
	{"reserved directory", minimal + "directory = 'by-id'\n", []string{`4: target.directory: "by-id" is reserved`}},
	{"directory like a LUN", minimal + "directory = 'lun12'\n", []string{`4: target.directory: "lun12" is reserved`}},
	{"interface", minimal + "interface = 'not a device'\n", []string{`4: target.interface: "not a device" is neither`}},
	{"no login", minimal + "login = 'never'\n", []string{`4: target.login: must be "auto" or "manual", not "never"`}},

	{"same target twice", minimal + "[[target]]\nportals = ['a']\ndirectory = 'd'\niqn = 'iqn.2001-04.com.example:disk1'\n", []string{"7: target[2].iqn: is the name of the target on line 1 too"}},
	{"same target in capitals", minimal + "[[target]]\nportals = ['a']\ndirectory = 'd'\niqn = 'iqn.2001-04.com.example:Disk1'\n", []string{"7: target[2].iqn: is the name of the target on line 1 too"}},
	{"same mountpoint", second, []string{"4: target[2].directory: is the mountpoint itself, which the target on line 1 uses"}},
	{"same mountpoint in words", second + "directory = ''\n", []string{"7: target[2].directory: is the mountpoint itself"}},
	{"same directory", minimal + "directory = 'd'\n" + second[len(minimal):] + "directory = 'd'\n", []string{`8: target[2].directory: "d" is the directory of the target on line 1 too`}},
	{"a bad directory does not clash", second + "directory = '.'\n", []string{`7: target[2].directory: "." is not allowed`}},

	{"half a pair", chap + "username = 'u'\n", []string{"5: target.chap.password: is missing, username is half a pair"}},
	{"other half", chap + "\npassword = 'twelve bytes'\n", []string{"6: target.chap.username: is missing, password is half a pair"}},
	{"half a mutual pair", chap + "username = 'u'\npassword = 'twelve bytes'\nmutual_username = 't'\n", []string{"7: target.chap.mutual_password: is missing"}},
	{"mutual only", chap + "mutual_username = 't'\nmutual_password = 'twelve bytes'\n", []string{"4: target.chap.username: is missing: mutual CHAP needs"}},
	{"two passwords", chap + "username = 'u'\npassword = 'twelve bytes'\npassword_file = '/dev/null'\n", []string{
		`7: target.chap.password_file: cannot read the password: "/dev/null" is not a regular file`, "7: target.chap.password_file: stands beside password"}},
	{"same secret both ways", chap + "username = 'u'\npassword = 'twelve bytes'\nmutual_username = 't'\nmutual_password = 'twelve bytes'\n", []string{"8: target.chap.mutual_password: must not be the same as our own"}},
	{"our secret proves another target", chap + "username = 'u'\npassword = 'secret number 1'\n[[target]]\nportals = ['a']\niqn = 'iqn.2001-04.com.example:2'\ndirectory = '2'\nchap.username = 'u'\nchap.password = 'secret number 2'\nchap.mutual_username = 't'\nchap.mutual_password = 'secret number 1'\n",
		[]string{"14: target[2].chap.mutual_password: must not be the same as our own password for the target on line 1"}},
	{"a target's secret is ours elsewhere", chap + "username = 'u'\npassword = 'secret number 1'\nmutual_username = 't'\nmutual_password = 'secret number 2'\n[[target]]\nportals = ['a']\niqn = 'iqn.2001-04.com.example:2'\ndirectory = '2'\nchap.username = 'u'\nchap.password = 'secret number 2'\n",
		[]string{"14: target[2].chap.password: must not be the same as the mutual password of the target on line 1"}},
	{"password of the wrong type", chap + "username = 'u'\npassword = 123456789012\n", []string{"6: target.chap.password: needs a string, not an integer"}},
	{"empty password", chap + "username = 'u'\npassword = ''\n", []string{"6: target.chap.password: the password is empty"}},
	{"long password", chap + "username = 'u'\npassword = '" + strings.Repeat("x", 256) + "'\n", []string{"6: target.chap.password: the password has more than 255 bytes"}},
	{"empty user", chap + "username = ''\npassword = 'twelve bytes'\n", []string{"5: target.chap.username: must not be empty"}},
	{"user with a NUL", chap + "username = \"u\\u0000\"\npassword = 'twelve bytes'\n", []string{`5: target.chap.username: "u\x00" has a control character`}},
	{"password file missing", chap + "username = 'u'\npassword_file = '/nonexistent/p'\n", []string{`6: target.chap.password_file: cannot read the password from "/nonexistent/p": no such file`}},

	{"discovery without match", "[[discovery]]\nportal = 'a'\n", []string{"1: discovery.match: is missing"}},
	{"globs", "[[discovery]]\nportal = 'a'\nmatch = ['[', '']\n", []string{
		`3: discovery.match[1]: "[" is no glob`, "3: discovery.match[2]: matches nothing"}},
	{"discovery's directory", "[[discovery]]\nportal = 'a'\nmatch = ['*']\ndirectory = '{iqn}-{lun}'\n", []string{
		`4: discovery.directory: "{iqn}-{lun}" has a variable`}},
	{"discovery's credentials", "[[discovery]]\nportal = 'a'\nmatch = ['*']\n[discovery.target_chap]\nusername = 'u'\n", []string{
		"5: discovery.target_chap.password: is missing"}},

	{"digest", minimal + "[session]\nheader_digest = 'md5'\n", []string{`5: session.header_digest: must be "none", "crc32c" or "prefer", not "md5"`}},
	{"duration without unit", minimal + "[session]\nlogin_timeout = '15'\n", []string{`5: session.login_timeout: "15" has no unit; write "15s"`}},
	{"duration as a number", minimal + "[session]\nlogin_timeout = 15\n", []string{`5: session.login_timeout: needs a duration such as "15s" or "2m", not an integer`}},
	{"no duration", minimal + "[session]\nnoop_interval = 'soon'\n", []string{`5: session.noop_interval: "soon" is no duration`}},
	{"negative duration", minimal + "[session]\nreplacement_timeout = '-1s'\n", []string{"5: session.replacement_timeout: must be at least 0s, not -1s"}},
	{"zero timeout", minimal + "[session]\ncommand_timeout = '0s'\n", []string{"5: session.command_timeout: must be at least 1ms, not 0s"}},
	{"never", minimal + "[session]\nflush_timeout = 'never'\n", []string{`5: session.flush_timeout: cannot be "never"`}},
	{"queue depth", minimal + "[session]\nqueue_depth = 0\nsessions = 33\n", []string{"5: session.queue_depth: must be from 1 to 1024, not 0", "6: session.sessions: must be from 1 to 32, not 33"}},
	{"session of a target", minimal + "[target.session]\ndata_digest = 1\n", []string{"5: target.session.data_digest: needs"}},

	{"size", minimal + "[cache]\nsize = '1,5GiB'\n", []string{`5: cache.size: "1,5GiB" is no size`}},
	{"small size", minimal + "[cache]\nsize = 0\n", []string{"5: cache.size: must be at least 1MiB, not 0"}},
	{"huge size", minimal + "[cache]\nsize = '16EiB'\nreadahead = '8EiB'\n", []string{`5: cache.size: "16EiB" is too large`, `6: cache.readahead: "8EiB" is too large`}},
	{"size as a float", minimal + "[cache]\nsize = 1.5\n", []string{`5: cache.size: needs a size such as "256MiB", not a float`}},
	{"percent", minimal + "[cache]\ndirty_limit = '101%'\n", []string{`5: cache.dirty_limit: must be above "0%"`}},
	{"no percent", minimal + "[cache]\ndirty_limit = '0%'\n", []string{`5: cache.dirty_limit: must be above "0%"`}},
	{"no number", minimal + "[cache]\ndirty_limit = 'NaN%'\n", []string{`5: cache.dirty_limit: must be above "0%"`}},
	{"limit above size", minimal + "[target.cache]\ndirty_limit = '65MiB'\n[cache]\nsize = '64MiB'\n", []string{"5: target.cache.dirty_limit: 65MiB is more than the cache's size, 64MiB"}},
	{"cache mode", minimal + "[cache]\nmode = 'off'\nlate_writes = 'drop'\n", []string{"5: cache.mode: must be", `6: cache.late_writes: must be "hold" or "write"`}},

	{"mount", minimal + "[mount]\npoint = 'mnt'\nallow_other = 'no'\nuid = -1\ngid = 4294967295\nmode = 600\nwait = 'never'\n", []string{
		`5: mount.point: "mnt" must be an absolute path`, `6: mount.allow_other: must be "true", "false" or "auto"`, "7: mount.uid: must be from 0",
		"8: mount.gid: must be from 0 to 4294967294", "9: mount.mode: needs a string of octal digits", `10: mount.wait: cannot be "never"`}},
	{"modes", minimal + "[mount]\nmode = '0o600'\n", []string{`5: mount.mode: "0o600" is no mode`}},
	{"setuid", minimal + "[mount]\nmode = '4755'\n", []string{`5: mount.mode: "4755" has more than permission bits`}},
	{"log", minimal + "[log]\nlevel = 'verbose'\nformat = 'xml'\nfile = 'log'\n", []string{"5: log.level: must be", "6: log.format: must be", "7: log.file: \"log\" must be an absolute path"}},
	{"metrics", minimal + "[metrics]\nlisten = '9799'\n", []string{`5: metrics.listen: "9799" is no address to listen on`}},
	{"initiator in capitals", minimal + "[initiator]\nname = 'iqn.2001-04.com.example:Host'\n", []string{
		`5: initiator.name: "iqn.2001-04.com.example:Host" has upper-case letters, which an iSCSI name must not have (RFC 3722); write "iqn.2001-04.com.example:host"`}},

	{"syntax", minimal + "\ndirectory = = 3\n", []string{"5: target.directory: "}},
	{"duplicate key", minimal + "iqn = 'x'\n", []string{"4: target.iqn: "}},
	{"syntax in a password", chap + "password = 0123Secret\n", []string{"5: target.chap.password: not TOML; a password is put in double quotes"}},
}

func TestFaults(t *testing.T) {
	for _, tc := range faultCases {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, tc.text)
			c, _, err := Load(path)
			var faults Faults
			if !errors.As(err, &faults) || c != nil {
				t.Fatalf("got %v, %v, want faults", c, err)
			}
			got := make([]line, len(faults))
			for i, f := range faults {
				got[i] = line{f}
			}
			expectLines(t, path, got, tc.want)
		})
	}
}

// line is an error as a fmt.Stringer.
type line struct{ error }

func (l line) String() string { return l.Error() }

// TestFaultsTogether finds the faults of all tables in one go, in file order.
func TestFaultsTogether(t *testing.T) {
	path := write(t, "[mount]\nmode = 600\n[[target]]\nportals = ['x y']\niqn = 7\n[cache]\nsize = '?'\n")
	_, _, err := Load(path)
	want := []string{
		path + ":2: mount.mode: needs", path + `:4: target.portals[1]: "x y" is no portal`,
		path + ":5: target.iqn: needs an iSCSI name, not an integer", path + `:7: cache.size: "?" is no size`,
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
}
