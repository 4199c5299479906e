package identity

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/iscsifs/iscsifs/config"
)

// SystemFile is where open-iscsi keeps the host's initiator name.
const SystemFile = "/etc/iscsi/initiatorname.iscsi"

// namePrefix begins a generated name.
const namePrefix = "iqn.2026-11.io.github.iscsifs:"

// maxName bounds an iSCSI name, in bytes (RFC 7143, section 4.2.7.1).
const maxName = 223

// maxFile bounds what is read of a file with a name in it, in bytes.
const maxFile = 64 << 10

// InitiatorName returns the name to log in with and where it is from: configured,
// if not ""; else that of SystemFile, where it can be read and has one; else one
// that is generated once and kept in the state directory.
func InitiatorName(configured string) (name, from string, err error) {
	if configured != "" {
		return configured, "the configuration", nil
	}
	// Debian lets only root read it: a user has a name of their own then.
	if name, err := readName(SystemFile); err == nil {
		return name, SystemFile, nil
	}
	dir, err := StateDirectory()
	if err != nil {
		return "", "", fmt.Errorf("cannot choose an initiator name: %w; or set [initiator] name", err)
	}
	file := filepath.Join(dir, "initiatorname")
	if name, err = kept(file); err != nil {
		return "", "", fmt.Errorf("cannot choose an initiator name: %w; or set [initiator] name", err)
	}
	return name, file, nil
}

// kept returns the name in a file, which it makes where there is none. Whoever comes
// second finds the name of who came first.
func kept(file string) (string, error) {
	name, err := readName(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	if err := create(file, generate(hostName())); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return readName(file)
}

// create makes the file with its content at once, or fails with fs.ErrExist: what
// has the file's name is always whole, also after a crash.
func create(file, name string) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".initiatorname-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = fmt.Fprintf(temp, "# Who this host is to iSCSI targets. A copy of this machine needs another.\nInitiatorName=%s\n", name)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Link(temp.Name(), file)
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// generate makes a name that no other host has.
func generate(host string) string {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	suffix := hex.EncodeToString(random[:])
	host, _, _ = strings.Cut(strings.Map(nameRune, strings.ToLower(host)), ".")
	host = host[:min(len(host), maxName-len(namePrefix)-len("-")-len(suffix))]
	if host != "" {
		suffix = host + "-" + suffix
	}
	return namePrefix + suffix
}

// nameRune keeps what an iSCSI name may hold of ASCII (RFC 3722) and a host name has.
func nameRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
		return r
	}
	return -1
}

// readName returns the name in a file of open-iscsi's form.
func readName(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	name, err := parseName(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return name, nil
}

// parseName finds the line InitiatorName=NAME among comments and other lines. The
// last one counts, as for iscsid.
func parseName(r io.Reader) (string, error) {
	name := ""
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	for lines.Scan() {
		key, value, found := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if found && strings.TrimSpace(key) == "InitiatorName" {
			name = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	if name == "" {
		return "", errors.New("it has no line InitiatorName=iqn.…")
	}
	if err := config.CheckName(name); err != nil {
		return "", fmt.Errorf("InitiatorName: %w", err)
	}
	return name, nil
}
