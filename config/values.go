package config

import (
	"math"
	"net"
	"strconv"
	"time"
)

// DefaultPort is the port of a portal that names none (RFC 7143, section 13.8).
const DefaultPort = 3260

// Portal is the network address of a target portal.
type Portal struct {
	Host string // IPv4 address, IPv6 address (with its zone, without brackets) or DNS name
	Port uint16 // TCP port
}

// String is host:port, with an IPv6 address in brackets.
func (p Portal) String() string {
	return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port)))
}

// Timeout is a duration that may be unlimited. Any duration that has passed is
// shorter than Never, so that comparisons need no special case.
type Timeout time.Duration

// Never is the Timeout that does not come.
const Never Timeout = math.MaxInt64

// IsNever tells whether t does not come.
func (t Timeout) IsNever() bool { return t == Never }

// Duration is t as a time.Duration, the longest there is for Never.
func (t Timeout) Duration() time.Duration { return time.Duration(t) }

// String is t as the file writes it.
func (t Timeout) String() string {
	if t.IsNever() {
		return "never"
	}
	return formatDuration(t.Duration())
}

// LoginMode says when a target is logged in to.
type LoginMode string

// The values of login.
const (
	LoginAuto   LoginMode = "auto"   // when the mount starts
	LoginManual LoginMode = "manual" // by command only
)

// Digest is what is offered for a HeaderDigest or DataDigest key (RFC 7143, section 13.1).
type Digest string

// The values of header_digest and data_digest.
const (
	DigestNone   Digest = "none"   // None
	DigestCRC32C Digest = "crc32c" // CRC32C, or no session
	DigestPrefer Digest = "prefer" // CRC32C,None
)

// CacheMode says what the cache does with writes.
type CacheMode string

// The values of [cache] mode.
const (
	Writeback    CacheMode = "writeback"    // answered when cached
	Writethrough CacheMode = "writethrough" // answered when the target has them; reads are cached
	None         CacheMode = "none"         // nothing is cached
)

// LateWrites says what becomes of data that could not be written within
// replacement_timeout, once the target is back.
type LateWrites string

// The values of late_writes.
const (
	Hold  LateWrites = "hold"  // kept until somebody asks for it to be written
	Write LateWrites = "write" // written
)

// AllowOther says whether users other than the one who mounts may use the mount.
type AllowOther string

// The values of allow_other.
const (
	AllowOtherTrue  AllowOther = "true"  // yes, or the mount fails
	AllowOtherFalse AllowOther = "false" // no
	AllowOtherAuto  AllowOther = "auto"  // yes where fuse.conf permits it
)

// LogLevel is a level of zerolog by name.
type LogLevel string

// The values of [log] level.
const (
	LogTrace LogLevel = "trace"
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// LogFormat is the form of the log's lines.
type LogFormat string

// The values of [log] format.
const (
	LogAuto    LogFormat = "auto"    // console on a terminal, JSON otherwise
	LogConsole LogFormat = "console" // for people
	LogJSON    LogFormat = "json"    // one JSON object a line
)
