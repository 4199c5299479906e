package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

const (
	// maxCHAP bounds the bytes of a CHAP name or secret: a text value of a
	// login has at most 255 (RFC 7143, section 6.1), secrets go by the same.
	maxCHAP = 255
	// shortSecret is the length from which on a secret is good enough:
	// those of less than 96 bits are advised against (section 9.2.1).
	shortSecret = 12
)

// chapDraft is a CHAP while its file is read.
type chapDraft struct{ CHAP }

func chapKeys() section[chapDraft] {
	return section[chapDraft]{
		field("username", text("a string", checkUser), "", func(c *chapDraft) *string { return &c.Username },
			"Name that we log in with."),
		field("password", secret(), "", func(c *chapDraft) *Secret { return &c.Password },
			"Its password."),
		field("password_file", secretFile(), "", func(c *chapDraft) *Secret { return &c.Password },
			"File with the password, instead of it: relative to this file or to $CREDENTIALS_DIRECTORY. Its raw bytes count, less one newline at the end."),
		field("mutual_username", unlessEmpty(text("a string", checkUser)), "", func(c *chapDraft) *string { return &c.MutualUsername },
			"Name that the target must prove to have. Both mutual keys or none."),
		field("mutual_password", secret(), "", func(c *chapDraft) *Secret { return &c.MutualPassword },
			"The target's password, which must not be ours."),
		field("mutual_password_file", secretFile(), "", func(c *chapDraft) *Secret { return &c.MutualPassword },
			"File with the target's password, instead of it."),
	}
}

// checkUser checks a CHAP_N, which is sent as a text value.
func checkUser(s string) error {
	switch {
	case s == "":
		return errors.New("must not be empty")
	case len(s) > maxCHAP:
		return fmt.Errorf("is %d bytes long, more than the %d that a login can carry", len(s), maxCHAP)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s has a control character", quote(s))
	}
	return nil
}

// checkAlias checks an InitiatorAlias, another text value.
func checkAlias(s string) error { return checkUser(s) }

// check judges a CHAP table as a whole: pairs are complete, and what is mutual
// has a first half.
func (c *chapDraft) check(n node) {
	own := n.pair("username", "password")
	mutual := n.pair("mutual_username", "mutual_password")
	if mutual && !own {
		n.child("username").fault("is missing: mutual CHAP needs username and password too, as a target only proves itself to who does")
	}
	if !mutual && !own && len(n.names()) == 0 {
		n.warn("is empty: there will be no authentication")
	}
	// "Any CHAP secret used for initiator authentication MUST NOT be configured
	// for authentication of any target" (RFC 7143, section 9.2.1).
	if !c.Password.IsZero() && bytes.Equal(c.Password.Reveal(), c.MutualPassword.Reveal()) {
		n.present("mutual_password", "mutual_password_file").fault("must not be the same as our own password (RFC 7143, section 9.2.1)")
	}
}

// pair checks that a user name and its password come together, and tells
// whether there is any of them. The password may be in a file.
func (n node) pair(user, password string) bool {
	file := password + "_file"
	hasUser, hasPassword := n.has(user), n.has(password) || n.has(file)
	switch {
	case n.has(password) && n.has(file):
		n.child(file).fault("stands beside %s; leave out one of them", password)
	case hasUser && !hasPassword:
		n.missingHalf(password, user, "; "+file+" would do as well")
	case hasPassword && !hasUser:
		n.missingHalf(user, n.present(password, file).name(), "")
	}
	return hasUser || hasPassword
}

// missingHalf reports a key that is missing, on the line of its other half.
func (n node) missingHalf(name, other, hint string) {
	c := n.child(name)
	c.pos = n.child(other).pos
	c.fault("is missing, %s is half a pair%s", other, hint)
}

// present is the first of two keys of the table n that is there.
func (n node) present(a, b string) node {
	if n.has(a) {
		return n.child(a)
	}
	return n.child(b)
}

// name is the last part of the path of n.
func (n node) name() string { return n.path[strings.LastIndexByte(n.path, '.')+1:] }

// credentials returns what a complete table says, nil for an empty one.
func (c *chapDraft) credentials() *CHAP {
	if c.CHAP.Username == "" {
		return nil
	}
	credentials := c.CHAP
	return &credentials
}
