package daemon

import (
	"net"
	"path"
	"strconv"
	"strings"
	"unicode"

	"github.com/iscsifs/iscsifs/initiator"
)

// The directories of symbolic links below the mountpoint.
const (
	byID   = "by-id"
	byPath = "by-path"
)

// maxName is the longest name of a file, in bytes (NAME_MAX).
const maxName = 255

// lunName is the name of a LUN's file.
func lunName(number uint64) string { return "lun" + strconv.FormatUint(number, 10) }

// idName is the unit's name in /dev/disk/by-id; "" where the target gives it no
// identity.
func idName(info initiator.DiskInfo) string {
	if info.UdevID == "" {
		return ""
	}
	return cleanName("scsi-" + info.UdevID)
}

// pathName is the LUN's name in /dev/disk/by-path for a portal "host:port".
// udev writes IPv6 addresses without brackets.
func pathName(portal, iqn string, info initiator.DiskInfo) string {
	host, port, err := net.SplitHostPort(portal)
	if err != nil {
		return ""
	}
	return cleanName("ip-" + host + ":" + port + "-iscsi-" + iqn + "-" + info.LUN.UdevPath())
}

// cleanName makes a name of one path element out of a target's text, which is
// hostile: slashes, what is not UTF-8, and what does not print (control characters, those
// that turn the direction of text around or take no place) become '_'.
func cleanName(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '/' || r == '\ufffd' || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
	if len(clean) > maxName {
		clean = strings.ToValidUTF8(clean[:maxName], "")
	}
	return clean
}

// relativeLink is the target of a symbolic link in directory dir to a file
// given by its path from the mountpoint on. Directories are one level deep.
func relativeLink(dir, file string) string {
	switch {
	case dir == "":
		return file
	case path.Dir(file) == dir:
		return path.Base(file)
	}
	return path.Join("..", file)
}
