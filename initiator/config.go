package initiator

import (
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// DigestPolicy says whether a digest is offered, demanded or left out (RFC
// 7143, Section 13.1).
type DigestPolicy uint8

// The digest policies. On the wire they are "None", "CRC32C" and
// "CRC32C,None".
const (
	DigestNone DigestPolicy = iota
	DigestCRC32C
	DigestPrefer
)

// CHAP holds the credentials of a login (RFC 7143, Section 12.1.3). Secrets
// are raw bytes.
type CHAP struct {
	Username string
	Secret   []byte
	// MutualUsername and MutualSecret, both or none, make the target prove
	// itself to the initiator too.
	MutualUsername string
	MutualSecret   []byte
}

// Format prints the names, with whatever verb, and never a secret.
func (c CHAP) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "CHAP of %q and %q, secrets hidden", c.Username, c.MutualUsername)
}

// MarshalText is Format for JSON and others.
func (c CHAP) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// Mutual tells whether the target must prove itself.
func (c *CHAP) Mutual() bool { return c.MutualUsername != "" || len(c.MutualSecret) > 0 }

// Config describes one session. Fields left at their zero value get the
// default that their comment names.
type Config struct {
	InitiatorName  string // needed
	InitiatorAlias string // none
	// TargetName is the iSCSI name to log in to; empty for a discovery session.
	TargetName string
	// Portals are addresses of the target as "host:port", tried in order; at
	// least one. Names are resolved at each connect.
	Portals []string
	// Interface is a local address or a network device to connect from; empty
	// for the system's choice.
	Interface string
	// ISID identifies the session together with InitiatorName; a login with the
	// ISID of a live session to the same portal group ends that session.
	ISID pdu.ISID
	CHAP *CHAP // nil: no authentication

	HeaderDigest, DataDigest DigestPolicy // DigestNone

	LoginTimeout time.Duration // 15 s, for connect and login together
	NoopInterval time.Duration // 5 s of silence before a ping; negative turns pings off
	NoopTimeout  time.Duration // 5 s for the answer to a ping
	// CommandTimeout is how long a command may make no progress: 30 s. Then it
	// is aborted and sent again, see the package comment.
	CommandTimeout time.Duration
	// FlushTimeout is the same for SYNCHRONIZE CACHE, UNMAP and WRITE SAME: 120 s,
	// and ReplacementTimeout, where that is longer, while the target answers
	// anything else.
	FlushTimeout time.Duration
	AbortTimeout time.Duration // 15 s, at most CommandTimeout, for the answer to an ABORT TASK
	ResetTimeout time.Duration // 30 s, at most CommandTimeout, for the answer to a reset
	// ReplacementTimeout is how long commands wait for a lost session before
	// they fail with ErrSessionLost, and for a lost LUN before they fail with
	// ErrLUNLost: 0 fails them at once, a negative value lets them wait for ever.
	// The session itself never gives up until it is closed.
	ReplacementTimeout time.Duration
	QueueDepth         int // 64 commands in flight per logical unit

	// AcceptShrink is asked whether a LUN that has become smaller, from and to in
	// bytes, is used further; where it says no, or is nil, the LUN's commands fail
	// with ErrShrunk until [Disk.AcceptCapacity]. It must not wait for the session.
	AcceptShrink func(lun scsi.LUN, from, to int64) bool
	// OnEvent is told what the target announces, one event at a time, by a
	// goroutine of the session's. It must not wait for the session, nor close it.
	OnEvent func(Event)

	// path names the session's way to the target where it is one of Paths; waiting
	// for a lost session, or for another access state, is the Unit's then.
	path string
	// unitTimeout is the ReplacementTimeout of a path's units; its own is 0.
	unitTimeout time.Duration

	// Logger gets one line for each thing that an administrator acts on; the
	// zero Logger is silent.
	Logger zerolog.Logger
}

// patience is how long a target that answers, but does not do what it is asked, is
// borne with; negative: for ever.
func (c *Config) patience() time.Duration {
	if c.path != "" {
		return c.unitTimeout
	}
	return c.ReplacementTimeout
}

// withDefaults returns a copy with all defaults filled in.
func (c Config) withDefaults() Config {
	setDefault(&c.LoginTimeout, 15*time.Second)
	setDefault(&c.NoopInterval, 5*time.Second)
	setDefault(&c.NoopTimeout, 5*time.Second)
	setDefault(&c.CommandTimeout, 30*time.Second)
	setDefault(&c.FlushTimeout, 120*time.Second)
	setDefault(&c.AbortTimeout, min(15*time.Second, c.CommandTimeout))
	setDefault(&c.ResetTimeout, min(30*time.Second, c.CommandTimeout))
	setDefault(&c.QueueDepth, 64)
	return c
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// discovery tells whether the session is a discovery session (RFC 7143,
// Section 4.3).
func (c *Config) discovery() bool { return c.TargetName == "" }
