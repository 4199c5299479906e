package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/user"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

// askTime is how long the holder of a lock has to say what it uses.
const askTime = 2 * time.Second

// maxAnswer bounds the holder's line, in bytes: two paths, in JSON.
const maxAnswer = 64 << 10

// ask learns who holds a lock: process and user from the kernel, the rest from the
// holder, as far as it answers. It fails with ECONNREFUSED if nobody listens.
func ask(ctx context.Context, address *net.UnixAddr) (Use, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", address.Name)
	if err != nil {
		return Use{}, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	use := answered(conn)
	return use, credentials(conn.(*net.UnixConn), &use)
}

// ServedBy returns who holds the lock of a resolved mountpoint: the daemon that
// serves it, also one whose mount is detached or not yet made. It is false if none
// does.
func ServedBy(ctx context.Context, point string) (Use, bool) {
	use, err := ask(ctx, name(mountpointLock, point))
	return use, err == nil
}

// answered reads the holder's line; nothing where it tells nothing sensible.
func answered(r io.Reader) Use {
	var use Use
	line, _ := bufio.NewReader(io.LimitReader(r, maxAnswer)).ReadBytes('\n')
	if json.Unmarshal(line, &use) != nil {
		return Use{}
	}
	// Another user's text on this user's terminal.
	use.Mountpoint, use.Path, use.Socket = plain.Text(use.Mountpoint), plain.Text(use.Path), plain.Text(use.Socket)
	return use
}

// credentials fills in what the kernel knows of the process that listens.
func credentials(conn *net.UnixConn, use *Use) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err == nil {
		err = sockErr
	}
	if err != nil {
		return fmt.Errorf("SO_PEERCRED: %w", err)
	}
	use.PID, use.UID, use.User = int(cred.Pid), int(cred.Uid), userName(cred.Uid)
	return nil
}

// userName returns the name of a user, or the number where it has none.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
