package mounts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// userTable is libmount's list of what the kernel does not know of mounts, by its
// path; the lock is flock(2) of the file PATH.lock. umount(8) takes the type of a
// mount that has no line in it from statfs(2), which knows only "fuse", and does not
// find umount.fuse.iscsifs.
type userTable string

const libmountTable userTable = "/run/mount/utab"

// How long to wait for the lock of the table, which libmount holds for moments, and
// how often to try it.
const (
	tableTime = 3 * time.Second
	tablePoll = 20 * time.Millisecond
)

// Enlist makes plain umount(8) of the mount call umount.fuse.iscsifs. Only root can;
// for others it does nothing.
func (m Mount) Enlist() error { return m.enlist(m.tableLine()) }

// Unlist takes back what Enlist did, of this or an earlier mount on the mountpoint.
func (m Mount) Unlist() error { return m.enlist("") }

func (m Mount) enlist(line string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := libmountTable.replace(m.Point, line); err != nil {
		return fmt.Errorf("cannot change the line of %s in %s, which umount(8) reads: %w", m.Point, libmountTable, err)
	}
	return nil
}

// tableLine is the mount's line: _netdev is what libmount keeps for network mounts.
func (m Mount) tableLine() string {
	return fmt.Sprintf("SRC=%s TARGET=%s ROOT=/ OPTS=_netdev\n", mangled(m.Source), mangled(m.Point))
}

// mangled escapes what ends a value, as libmount reads it.
var mangled = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace

// replace puts a line, or none, in the place of all lines of a mountpoint.
func (t userTable) replace(point, line string) error {
	if err := os.Mkdir(filepath.Dir(string(t)), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	lock, err := t.lock()
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks
	old, err := os.ReadFile(string(t))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	changed := append(without(old, point), line...)
	if bytes.Equal(changed, old) {
		return nil
	}
	return t.write(changed)
}

// lock waits for the lock, not for ever.
func (t userTable) lock() (*os.File, error) {
	f, err := os.OpenFile(string(t)+".lock", os.O_RDONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(tableTime); ; time.Sleep(tablePoll) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
		}
	}
}

// without returns a copy of the table that has no line of a mountpoint.
func without(table []byte, point string) []byte {
	kept := make([]byte, 0, len(table))
	for line := range bytes.Lines(table) {
		if !hasField(line, "TARGET="+mangled(point)) {
			kept = append(kept, line...)
		}
	}
	return kept
}

func hasField(line []byte, want string) bool {
	for field := range bytes.FieldsSeq(line) {
		if string(field) == want {
			return true
		}
	}
	return false
}

// write puts a new table in the old one's place: who reads sees one or the other.
func (t userTable) write(table []byte) error {
	f, err := os.CreateTemp(filepath.Dir(string(t)), filepath.Base(string(t))+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(table)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), string(t))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
