package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// maxName is the longest iSCSI name in bytes (RFC 7143, section 4.2.7.1).
const maxName = 223

var (
	// iqn.yyyy-mm.reversed-domain[:string] (RFC 7143, section 4.2.7.4).
	iqnSyntax = regexp.MustCompile(`^iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.([^:]+)(:.+)?$`)
	// The naming authority is a DNS name with its labels reversed.
	authoritySyntax = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)
	// eui. and 16 hexadecimal digits (section 4.2.7.5), naa. and 16 or 32 (section 4.2.7.6).
	euiSyntax = regexp.MustCompile(`^eui\.[0-9A-Fa-f]{16}$`)
	naaSyntax = regexp.MustCompile(`^naa\.([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})$`)
)

// errUnnormalized is what is wrong with a name that only stringprep would
// change (RFC 3722): targets with such names exist.
type errUnnormalized struct{ name, what string }

// Error says what, and how the name should be.
func (e errUnnormalized) Error() string {
	msg := fmt.Sprintf("%s has %s, which an iSCSI name must not have (RFC 3722)", quote(e.name), e.what)
	if lower := strings.ToLower(e.name); e.what == upperCase {
		msg += fmt.Sprintf("; write %s", quote(lower))
	}
	return msg
}

const (
	upperCase  = "upper-case letters"
	underscore = "an underscore"
)

// CheckName checks an iSCSI name: its format (RFC 7143, section 4.2.7), its
// length and that it is written as stringprep leaves it (RFC 3722).
func CheckName(s string) error {
	if len(s) > maxName {
		return fmt.Errorf("%s is %d bytes long, an iSCSI name has at most %d", quote(s), len(s), maxName)
	}
	switch typ, _, _ := strings.Cut(strings.ToLower(s), "."); typ {
	case "iqn":
		return checkIQN(s)
	case "eui":
		return checkHex(s, euiSyntax, "eui. and 16 hexadecimal digits")
	case "naa":
		return checkHex(s, naaSyntax, "naa. and 16 or 32 hexadecimal digits")
	}
	return fmt.Errorf(`%s is no iSCSI name; one begins with "iqn.", "eui." or "naa.", as "iqn.2001-04.com.example:disk1"`, quote(s))
}

func checkHex(s string, syntax *regexp.Regexp, form string) error {
	if !syntax.MatchString(s) {
		return fmt.Errorf("%s is no iSCSI name of its type: %s", quote(s), form)
	}
	return nil
}

// checkIQN checks a name whose type is iqn.
func checkIQN(s string) error {
	parts := iqnSyntax.FindStringSubmatch("iqn" + s[3:])
	if parts == nil || !authoritySyntax.MatchString(parts[2]) {
		return fmt.Errorf(`%s is no iqn name; its form is iqn.YYYY-MM.REVERSED-DOMAIN:STRING, as "iqn.2001-04.com.example:disk1"`, quote(s))
	}
	for _, r := range s {
		if !allowedInName(r) {
			return fmt.Errorf("%s has %q, which an iSCSI name must not have; letters, digits and - . : are allowed (RFC 3722)", quote(s), r)
		}
	}
	if strings.ToLower(s) != s {
		return errUnnormalized{s, upperCase}
	}
	if strings.Contains(s, "_") {
		return errUnnormalized{s, underscore}
	}
	return nil
}

// allowedInName tells whether a character may stand in a name, or would be
// left by stringprep but for its case. The underscore is told apart later.
func allowedInName(r rune) bool {
	if r < 0x80 {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-.:_", r)
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// initiatorName is our own name: it must be beyond doubt, as targets decide by
// it what we may see.
func initiatorName() kind[string] { return optional("an iSCSI name", CheckName) }

// targetName is the name of a target. It goes out as it is written: targets
// exist that break the rules of RFC 3722, and find themselves only by the name
// that they use.
func targetName() kind[string] {
	const name = "an iSCSI name"
	return kind[string]{
		name: name,
		read: func(n node) (string, bool) {
			s, ok := n.raw.(string)
			if !ok {
				return wrongType[string](n, name)
			}
			err := CheckName(s)
			if odd := (errUnnormalized{}); errors.As(err, &odd) {
				n.warn("%s has %s, which an iSCSI name must not have (RFC 3722); it is sent as it stands here", quote(s), odd.what)
				return s, true
			}
			if err != nil {
				n.fault("%s", err)
			}
			return s, err == nil
		},
		write: tomlString,
	}
}
