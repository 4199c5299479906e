package config

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// Target is the target that a discovery found, as if the file had it.
func (d *Discovery) Target(iqn string, portals []Portal, directory string) Target {
	return Target{
		Portals:   portals,
		IQN:       iqn,
		Directory: directory,
		LUNs:      d.LUNs,
		ReadOnly:  d.ReadOnly,
		Exclusive: d.Exclusive,
		Required:  d.Required,
		Login:     d.Login,
		Interface: d.Interface,
		CHAP:      d.TargetCHAP,
		Session:   d.Session,
		Cache:     d.Cache,
		Line:      d.Line,
	}
}

// Matches tells whether a target is one of those to log in to. Names are compared
// without case (RFC 7143, section 4.2.7.1), and no character of them is special.
func (d *Discovery) Matches(iqn string) bool {
	name := globText(iqn)
	for _, glob := range d.Match {
		if ok, err := path.Match(globText(glob), name); ok && err == nil {
			return true
		}
	}
	return false
}

// globText keeps path.Match from treating a slash as what parts a path.
func globText(s string) string { return strings.ReplaceAll(strings.ToLower(s), "/", "\x00") }

// maxDirectory is the longest name of a directory, in bytes (NAME_MAX).
const maxDirectory = 255

// DirectoryOf is where the files of a found target go: one plain name, whatever text
// its iqn is. A name that had to be changed for that, that has a meaning in every mount,
// or that is taken, gets a hash of the iqn, so that it is always the same and no two
// targets share one.
func (d *Discovery) DirectoryOf(iqn string, taken func(string) bool) string {
	filled := strings.ReplaceAll(d.Directory, "{iqn}", iqn)
	if checkDirectory(filled) == nil && plainName(filled, maxDirectory) == filled && !taken(filled) {
		return filled
	}
	if filled == "" {
		filled = iqn
	}
	for try := 0; ; try++ {
		sum := sha256.Sum256([]byte(strings.ToLower(iqn) + strings.Repeat("\x00", try)))
		suffix := "-" + hex.EncodeToString(sum[:4])
		name := plainName(filled, maxDirectory-len(suffix)) + suffix
		if !taken(name) {
			return name
		}
	}
}

// plainName makes one element of a path, of at most so many bytes, of any text.
func plainName(s string, most int) string {
	clean := strings.Map(func(r rune) rune {
		if r == '/' || r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
	if len(clean) > most {
		clean = strings.ToValidUTF8(clean[:most], "")
	}
	return clean
}

// Source names the discovery in messages.
func (d *Discovery) Source() string {
	return "the [[discovery]] of " + d.Portal.String() + " on line " + strconv.Itoa(d.Line)
}
