package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/config"
)

// writeFound prints a line for each target and portal, and one for each LUN.
func writeFound(out io.Writer, found []foundTarget) {
	for _, t := range found {
		for _, portal := range t.Portals {
			fmt.Fprintf(out, "%s %s\n", portal, t.IQN)
		}
		for _, l := range t.LUNs {
			fmt.Fprintf(out, "  %s\n", l)
		}
	}
}

// String is the line for people.
func (l probedLUN) String() string {
	return fmt.Sprintf("LUN %d  %s  %d-byte blocks  %s", l.LUN, humanize.IBytes(uint64(l.Size)), l.BlockSize,
		strings.TrimSpace(l.Vendor+" "+l.Product))
}

// writeTOML prints a configuration that mounts what was found. A single target
// has its files in the mountpoint itself, several have directories.
func writeTOML(out io.Writer, found []foundTarget, chap *chapFlags) error {
	var b strings.Builder
	fmt.Fprintln(&b, "# Found by iscsifs discover. Keep what you want to mount.")
	used := map[string]bool{}
	for _, t := range found {
		if err := config.CheckName(t.IQN); err != nil {
			fmt.Fprintf(&b, "\n# Left out: %v\n", err)
			continue
		}
		fmt.Fprintf(&b, "\n[[target]]\nportals   = [%s]\niqn       = %s\n", quotedList(t.Portals), tomlString(t.IQN))
		if len(found) > 1 {
			fmt.Fprintf(&b, "directory = %s\n", tomlString(directoryName(t.IQN, used)))
		}
		if err := chap.writeTOML(&b); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		fmt.Fprintln(&b, "# The portal offers this initiator no target.")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func quotedList(portals []foundPortal) string {
	var list []string
	for _, p := range portals {
		list = append(list, tomlString(p.Address))
	}
	return strings.Join(list, ", ")
}

// tomlString quotes a string. What JSON escapes, TOML reads the same.
func tomlString(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // no string fails
	}
	return string(quoted)
}

// writeTOML prints the credentials, their passwords by the names of their files.
func (c *chapFlags) writeTOML(b *strings.Builder) error {
	if c.user == "" {
		return nil
	}
	file, err := filepath.Abs(c.passwordFile)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n  [target.chap]\n  username             = %s\n  password_file        = %s\n", tomlString(c.user), tomlString(file))
	if c.mutualUser == "" {
		return nil
	}
	if file, err = filepath.Abs(c.mutualPasswordFile); err != nil {
		return err
	}
	fmt.Fprintf(b, "  mutual_username      = %s\n  mutual_password_file = %s\n", tomlString(c.mutualUser), tomlString(file))
	return nil
}

// maxDirectory is the longest name of a directory, in bytes (NAME_MAX).
const maxDirectory = 255

// directoryName is a plain name for the directory of a target: what follows the
// colon of its name, or the whole of it where that is taken or says nothing.
func directoryName(iqn string, used map[string]bool) string {
	_, name, found := strings.Cut(iqn, ":")
	name = plainName(name)
	if !found || name == "" || used[strings.ToLower(name)] || reservedName(name) {
		name = plainName(iqn)
	}
	used[strings.ToLower(name)] = true
	return name
}

func plainName(s string) string {
	s = strings.Trim(strings.ReplaceAll(s, "/", "_"), ".")
	return s[:min(len(s), maxDirectory)]
}

// reservedName tells whether the tree has a use of its own for a name.
func reservedName(name string) bool {
	return name == "by-id" || name == "by-path" || strings.HasPrefix(name, "lun")
}
