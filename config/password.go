package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// secret is a password in the file itself.
func secret() kind[Secret] {
	return kind[Secret]{
		name: "a string",
		read: func(n node) (Secret, bool) {
			s, ok := n.raw.(string)
			if !ok {
				return wrongType[Secret](n, "a string")
			}
			if n.exposed {
				n.warn("others than the owner can read this file with its password; chmod 600 it, or use %s_file", n.name())
				n.exposed = false // once is enough
			}
			return n.secret([]byte(s))
		},
		write: writeSecret,
	}
}

// secretFile is a password in a file of its own.
func secretFile() kind[Secret] {
	return kind[Secret]{
		name: "a path",
		read: func(n node) (Secret, bool) {
			name, ok := n.raw.(string)
			if !ok {
				return wrongType[Secret](n, "a path")
			}
			b, exposed, err := readPassword(n.dir, name)
			if err != nil {
				n.fault("%s", err)
				return Secret{}, false
			}
			if exposed {
				n.warn("others than the owner can read %s; chmod 600 it", quote(name))
			}
			return n.secret(b)
		},
		write: func(Secret) string { return "" }, // shown as the password
	}
}

// writeSecret shows that there is a password, and nothing else of it.
func writeSecret(s Secret) string {
	if s.IsZero() {
		return ""
	}
	return tomlString(s.String())
}

// secret checks the length of a password.
func (n node) secret(b []byte) (Secret, bool) {
	switch {
	case len(b) == 0:
		n.fault("the password is empty")
		return Secret{}, false
	case len(b) > maxCHAP:
		n.fault("the password has more than %d bytes", maxCHAP)
		return Secret{}, false
	case len(b) < shortSecret:
		n.warn("the password has only %d bytes; below %d it can be guessed from a recorded login (RFC 7143, section 9.2.1)", len(b), shortSecret)
	}
	return NewSecret(b), true
}

// readPassword reads the password file name, less one newline at its end, and
// tells whether others than the owner can read it, too.
func readPassword(dir, name string) (password []byte, exposed bool, err error) {
	if name == "" {
		return nil, false, errors.New("must not be empty")
	}
	path, credential := findPassword(dir, name)
	// O_NONBLOCK: opening a FIFO must not hang before it can be refused.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("cannot read the password: %s is not a regular file", quote(path))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCHAP+int64(len("\r\n"))+1))
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	// systemd guards a credential by its folder, whatever its mode says.
	return chomp(b), !credential && readableByOthers(info), nil
}

// findPassword returns the path of a password file: among the credentials
// that systemd hands to the service if it is there, else next to the
// configuration file, unless it is absolute.
func findPassword(dir, name string) (path string, credential bool) {
	if filepath.IsAbs(name) {
		return name, false
	}
	if folder := os.Getenv("CREDENTIALS_DIRECTORY"); folder != "" && filepath.IsLocal(name) {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			return path, true
		}
	}
	return filepath.Join(dir, name), false
}

// chomp cuts off one line end.
func chomp(b []byte) []byte {
	if line, ok := bytes.CutSuffix(b, []byte("\r\n")); ok {
		return line
	}
	return bytes.TrimSuffix(b, []byte("\n"))
}

// unreadable says why a password file cannot be read.
func unreadable(path string, err error) error {
	return fmt.Errorf("cannot read the password from %s: %w", quote(path), reason(err))
}

// reason is an error of the file system without the path, which is told apart.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// readableByOthers tells whether the group or the world may read a file.
func readableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o044 != 0 }
