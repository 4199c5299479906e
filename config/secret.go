package config

import (
	"fmt"
	"slices"
)

// redacted stands for a secret wherever one is printed.
const redacted = "********"

// Secret is a password. Every way of printing or encoding one shows a fixed
// mask, which gives away neither its bytes nor its length; Reveal is the only
// way to them.
//
// The bytes are behind a function, because fmt calls no methods on the
// unexported fields of a struct that holds a Secret, and follows pointers; of a
// function it shows the address.
type Secret struct {
	reveal func() []byte
}

// NewSecret returns a Secret of b, which it copies.
func NewSecret(b []byte) Secret {
	b = slices.Clone(b)
	return Secret{func() []byte { return b }}
}

// Reveal returns the secret's bytes, which the caller must not modify; nil for
// the zero Secret.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// IsZero tells whether there is no secret at all.
func (s Secret) IsZero() bool { return len(s.Reveal()) == 0 }

// String is the mask, or "" for no secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb or flag shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText implements encoding.TextMarshaler with the mask: JSON, TOML,
// XML and zerolog come here.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
