package config

import (
	"io/fs"
	"time"
)

// draft is a Config while its file is read: the settings that others depend
// on, and where each target was said.
type draft struct {
	Config
	cache       cacheDraft
	targets     []targetDraft
	discoveries []discoveryDraft
}

// fileKeys is the whole file. What targets inherit is read before them.
func fileKeys() section[draft] {
	return section[draft]{
		subtable("initiator", initiatorKeys(), func(d *draft) *Initiator { return &d.Initiator }, nil,
			"Who this host is to its targets."),
		subtable("session", sessionKeys(), func(d *draft) *Session { return &d.Session }, nil,
			"What sessions negotiate, and how long they are patient. May also stand in a target, as [target.session]."),
		subtable("cache", cacheKeys(), func(d *draft) *cacheDraft { return &d.cache }, (*cacheDraft).check,
			"The cache that all LUNs share. All keys but size may also stand in a target, as [target.cache]."),
		tables("target", targetKeys(), readTarget,
			"A target to log in to; `portals` and `iqn` are needed. There may be any number of them."),
		tables("discovery", discoveryKeys(), readDiscovery,
			"Log in to what a portal offers; `portal` and `match` are needed. A [[target]] of the same name wins over what is found."),
		subtable("mount", mountKeys(), func(d *draft) *Mount { return &d.Mount }, nil,
			"Where and for whom the files appear."),
		subtable("log", logKeys(), func(d *draft) *Log { return &d.Log }, nil,
			"What is logged, how and where."),
		subtable("metrics", metricsKeys(), func(d *draft) *Metrics { return &d.Metrics }, nil,
			"Prometheus metrics."),
	}
}

func initiatorKeys() section[Initiator] {
	return section[Initiator]{
		field("name", initiatorName(), `""`, func(i *Initiator) *string { return &i.Name },
			"iSCSI name of this host. Without it, the one in /etc/iscsi/initiatorname.iscsi if that is readable; else one is generated once and kept."),
		field("alias", optional("a string", checkAlias), `""`, func(i *Initiator) *string { return &i.Alias },
			"Name that targets show to their administrators. Without it, the host name."),
	}
}

func sessionKeys() section[Session] {
	digest := enum(DigestNone, DigestCRC32C, DigestPrefer)
	instant := time.Millisecond // no timeout is shorter
	return section[Session]{
		field("header_digest", digest, `"none"`, func(s *Session) *Digest { return &s.HeaderDigest },
			"Checksum of PDU headers; with \"prefer\" only where the target has it."),
		field("data_digest", digest, `"none"`, func(s *Session) *Digest { return &s.DataDigest },
			"Checksum of data, in the same way."),
		field("sessions", integer[int](1, MaxSessions), `1`, func(s *Session) *int { return &s.Sessions },
			"Sessions per portal, for throughput. For redundancy list several portals."),
		field("login_timeout", duration(instant), `"15s"`, func(s *Session) *time.Duration { return &s.LoginTimeout },
			"How long connecting to a portal and logging in may take."),
		field("noop_interval", duration(0), `"5s"`, func(s *Session) *time.Duration { return &s.NoopInterval },
			"How often a silent connection is asked for a sign of life; \"0s\" turns it off."),
		field("noop_timeout", duration(instant), `"5s"`, func(s *Session) *time.Duration { return &s.NoopTimeout },
			"How long the target may take to give it."),
		field("command_timeout", duration(instant), `"30s"`, func(s *Session) *time.Duration { return &s.CommandTimeout },
			"How long a command may take before it is aborted, then its LUN reset, then the session dropped."),
		field("flush_timeout", duration(instant), `"120s"`, func(s *Session) *time.Duration { return &s.FlushTimeout },
			"The same for SYNCHRONIZE CACHE, UNMAP and WRITE SAME; extended to replacement_timeout while the session answers anything else."),
		field("replacement_timeout", timeout(), `"120s"`, func(s *Session) *Timeout { return &s.ReplacementTimeout },
			"How long I/O waits for a lost session before it fails; \"0s\" at once, \"never\" waits for ever."),
		field("queue_depth", integer[int](1, 1024), `64`, func(s *Session) *int { return &s.QueueDepth },
			"Commands in flight per LUN."),
	}
}

func mountKeys() section[Mount] {
	id := pointer(integer[uint32](0, 1<<32-2)) // -1 is "unchanged" to chown(2)
	return section[Mount]{
		field("point", optional("an absolute path", checkAbsolute), `""`, func(m *Mount) *string { return &m.Point },
			"Mountpoint where the command line names none."),
		field("allow_other", allowOther(), `"auto"`, func(m *Mount) *AllowOther { return &m.AllowOther },
			"Whether other users may use the mount. \"auto\" tries, goes on without where fuse.conf forbids it, and says so."),
		field("uid", id, "", func(m *Mount) **uint32 { return &m.UID },
			"Owner of the files. Without it, who mounts."),
		field("gid", id, "", func(m *Mount) **uint32 { return &m.GID },
			"Group of the files. Without it, that of who mounts."),
		field("mode", mode(), `"0600"`, func(m *Mount) *fs.FileMode { return &m.Mode },
			"Permissions of the files; directories get the matching x bits."),
		field("wait", duration(0), `"0s"`, func(m *Mount) *time.Duration { return &m.Wait },
			"How long mount goes on trying required targets."),
	}
}

func logKeys() section[Log] {
	level := enum(LogTrace, LogDebug, LogInfo, LogWarn, LogError)
	format := enum(LogAuto, LogConsole, LogJSON)
	return section[Log]{
		field("level", level, `"info"`, func(l *Log) *LogLevel { return &l.Level },
			"Least severe level that is logged."),
		field("format", format, `"auto"`, func(l *Log) *LogFormat { return &l.Format },
			"Form of the lines; \"auto\" is console on a terminal and json otherwise."),
		field("file", optional("an absolute path", checkAbsolute), `""`, func(l *Log) *string { return &l.File },
			"The daemon's log. Without it, the system's log for root, and a file in the user's state directory otherwise."),
	}
}

func metricsKeys() section[Metrics] {
	return section[Metrics]{
		field("listen", optional("an address to listen on", checkListen), `""`, func(m *Metrics) *string { return &m.Listen },
			"Address at which GET /metrics is served, such as \"127.0.0.1:9799\"; without a host, 127.0.0.1. Each mount needs a port of its own. Whoever reaches it can read the names of mountpoints and targets."),
	}
}
