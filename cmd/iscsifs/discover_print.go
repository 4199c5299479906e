package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
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
	fmt.Fprintln(&b, "# (--toml=discovery prints a table that also mounts what is added at the portal later.)")
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
		if err := chap.writeTOML(&b, "target.chap"); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		fmt.Fprintln(&b, noTarget)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

const noTarget = "# The portal offers this initiator no target."

// writeDiscoveryTOML prints a configuration that asks the portal again at each mount, for
// what was found and others of the same naming authorities.
func writeDiscoveryTOML(out io.Writer, portal string, found []foundTarget, chap *chapFlags) error {
	var b strings.Builder
	fmt.Fprintln(&b, "# Found by iscsifs discover. Each mount, and iscsifs rescan, asks the portal again, and logs")
	fmt.Fprintln(&b, "# in to the targets that match. These are, now:")
	var globs []string
	for _, t := range found {
		if err := config.CheckName(t.IQN); err != nil {
			fmt.Fprintf(&b, "# Left out: %v\n", err)
			continue
		}
		fmt.Fprintf(&b, "#   %s\n", t.IQN)
		if glob := tomlString(globOf(t.IQN)); !slices.Contains(globs, glob) {
			globs = append(globs, glob)
		}
	}
	switch {
	case len(found) == 0:
		b.Reset()
		fmt.Fprintln(&b, noTarget)
	case len(globs) > 0:
		fmt.Fprintf(&b, "\n[[discovery]]\nportal = %s\nmatch  = [%s]\n", tomlString(portal), strings.Join(globs, ", "))
		for _, table := range []string{"discovery.chap", "discovery.target_chap"} {
			if err := chap.writeTOML(&b, table); err != nil {
				return err
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// globOf matches a target and all others of its naming authority (RFC 7143, section
// 4.2.7.4: it ends with the colon). Nothing else in a name is special in a glob.
func globOf(iqn string) string {
	authority, _, found := strings.Cut(iqn, ":")
	if !found {
		return iqn
	}
	return authority + ":*"
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

// writeTOML prints the credentials as a table, their passwords by the names of their files.
func (c *chapFlags) writeTOML(b *strings.Builder, table string) error {
	if c.user == "" {
		return nil
	}
	file, err := filepath.Abs(c.passwordFile)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n  [%s]\n  username             = %s\n  password_file        = %s\n", table, tomlString(c.user), tomlString(file))
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
