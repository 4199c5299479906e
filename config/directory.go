package config

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// lunFile is the name of a LUN's file, which no directory may have.
var lunFile = regexp.MustCompile(`^lun[0-9]+$`)

// checkDirectory checks the name of a target's directory: one plain name that
// the mount does not use itself. "" is the mountpoint.
func checkDirectory(s string) error {
	switch {
	case s == ".." || s == ".":
		return fmt.Errorf("%q is not allowed: it would lead out of its place in the mount", s)
	case strings.Contains(s, "/"):
		return fmt.Errorf("%s has a slash; it is one plain name, not a path", quote(s))
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s has a control character", quote(s))
	case len(s) > 255:
		return fmt.Errorf("%s is %d bytes long, a file name has at most 255", quote(s), len(s))
	case s == "by-id" || s == "by-path" || lunFile.MatchString(s):
		return fmt.Errorf("%q is reserved; by-id, by-path and lun0, lun1, … have a meaning in every mount", s)
	}
	return nil
}

// checkPattern checks the directory of a [[discovery]], where {iqn} stands for
// the target's name.
func checkPattern(s string) error {
	filled := strings.ReplaceAll(s, "{iqn}", "iqn.2001-04.com.example:disk1")
	if strings.ContainsAny(filled, "{}") {
		return fmt.Errorf("%s has a variable that there is not; {iqn} is the only one", quote(s))
	}
	return checkDirectory(filled)
}

// checkGlob checks a pattern that target names are matched with.
func checkGlob(s string) error {
	if s == "" {
		return errors.New(`matches nothing; "*" matches every target`)
	}
	if _, err := path.Match(s, ""); err != nil {
		return fmt.Errorf("%s is no glob: a [ or a \\ is not complete", quote(s))
	}
	return nil
}

// checkAbsolute checks a path that must not depend on where the program runs.
func checkAbsolute(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("%s must be an absolute path, beginning with /", quote(s))
	}
	if strings.ContainsRune(s, 0) {
		return fmt.Errorf("%s has a NUL byte", quote(s))
	}
	return nil
}
