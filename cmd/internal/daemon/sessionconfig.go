package daemon

import (
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// sessionConfig translates a target of the configuration for the initiator.
func sessionConfig(opts *Options, t *config.Target) initiator.Config {
	s := &t.Session
	cfg := initiator.Config{
		InitiatorName:      opts.InitiatorName,
		InitiatorAlias:     opts.InitiatorAlias,
		TargetName:         t.IQN,
		Interface:          t.Interface,
		ISID:               identity.SessionISID(opts.InitiatorName, t.IQN, opts.Mountpoint, 0),
		CHAP:               CHAP(t.CHAP),
		HeaderDigest:       digests[s.HeaderDigest],
		DataDigest:         digests[s.DataDigest],
		LoginTimeout:       s.LoginTimeout,
		NoopInterval:       orNegative(s.NoopInterval),
		NoopTimeout:        s.NoopTimeout,
		CommandTimeout:     s.CommandTimeout,
		FlushTimeout:       s.FlushTimeout,
		ReplacementTimeout: s.ReplacementTimeout.Duration(),
		QueueDepth:         s.QueueDepth,
		Logger:             opts.Logger, // the initiator says which target
	}
	if s.ReplacementTimeout.IsNever() {
		cfg.ReplacementTimeout = -1
	}
	for _, p := range t.Portals {
		cfg.Portals = append(cfg.Portals, p.String())
	}
	return cfg
}

// ProbeConfig is what a login is made of that only looks at a target of the
// configuration and disturbs no mount.
func ProbeConfig(opts Options, t config.Target) initiator.Config {
	cfg := sessionConfig(&opts, &t)
	cfg.ISID = identity.ProbeISID()
	cfg.ReplacementTimeout = 0
	return cfg
}

var digests = map[config.Digest]initiator.DigestPolicy{
	config.DigestNone:   initiator.DigestNone,
	config.DigestCRC32C: initiator.DigestCRC32C,
	config.DigestPrefer: initiator.DigestPrefer,
}

// orNegative is how the initiator wants what the configuration turns off with 0.
func orNegative(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// CHAP translates credentials for the initiator; nil stays nil.
func CHAP(c *config.CHAP) *initiator.CHAP {
	if c == nil {
		return nil
	}
	return &initiator.CHAP{
		Username:       c.Username,
		Secret:         c.Password.Reveal(),
		MutualUsername: c.MutualUsername,
		MutualSecret:   c.MutualPassword.Reveal(),
	}
}
