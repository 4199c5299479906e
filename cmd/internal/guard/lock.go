package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// errInUse is the cause of every HeldError.
var errInUse = errors.New("in use")

// The things that can be locked are the first word of what is hashed, so that no
// mountpoint can be named like a logical unit.
const (
	unitLock       = "logical unit"
	mountpointLock = "mountpoint"
	nexusLock      = "I_T nexus"
)

// acquireTime is how long acquire tries to learn who holds a lock that vanishes
// whenever it is asked.
const acquireTime = 3 * time.Second

// answerTime bounds the writing of one answer.
const answerTime = time.Second

// Lock is held until Release or the end of the process.
type Lock struct {
	listener *net.UnixListener
	answer   []byte         // one line, for whom the lock is refused
	served   sync.WaitGroup // the goroutine of serve
}

// LogicalUnit locks a logical unit for writing. designator is unique on this host
// and the same however the unit is reached: its VPD 83h designator in hexadecimal
// with its type, say. what names it in the error of type *HeldError to who comes
// second.
func LogicalUnit(ctx context.Context, designator, what string, use Use) (*Lock, error) {
	return acquire(ctx, unitLock, designator, what, use,
		"unmount it there first, or give --shared if both know how to share it")
}

// Mountpoint locks a resolved mountpoint, so that no two daemons serve it. A
// daemon takes it before it mounts and holds it until it is gone.
func Mountpoint(ctx context.Context, point string, use Use) (*Lock, error) {
	return acquire(ctx, mountpointLock, point, "the mountpoint "+point, use,
		fmt.Sprintf("run `iscsifs umount %s` first, or wait until it has ended", point))
}

// Nexus locks the sessions that an initiator name and ISID may have with a target
// (SCSI calls the pair of ports an I_T nexus), for as long as a session is open.
func Nexus(ctx context.Context, initiator string, isid [6]byte, target string, use Use) (*Lock, error) {
	key := fmt.Sprintf("%s\x00%x\x00%s", initiator, isid, target)
	what := fmt.Sprintf("the session of %s (ISID %x) with %s", initiator, isid, target)
	return acquire(ctx, nexusLock, key, what, use, "unmount it there first, or give the initiator another name")
}

// acquire takes the lock, or says in a *HeldError who has it. Release ends the
// goroutine that it starts.
func acquire(ctx context.Context, kind, key, what string, use Use, hint string) (*Lock, error) {
	answer, err := json.Marshal(use)
	if err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", what, err)
	}
	address := name(kind, key)
	listener, by, err := bind(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("cannot lock %s on this host: %w", what, err)
	}
	if listener == nil {
		return nil, &HeldError{What: what, By: by, Hint: hint}
	}
	l := &Lock{listener: listener, answer: append(answer, '\n')}
	l.served.Go(l.serve)
	return l, nil
}

// bind returns the bound listener, or who has the name. Who has it can have let go
// before it could be asked: then the name is tried again.
func bind(ctx context.Context, address *net.UnixAddr) (*net.UnixListener, Use, error) {
	deadline := time.Now().Add(acquireTime)
	for {
		listener, err := net.ListenUnix("unix", address)
		if err == nil {
			return listener, Use{}, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, Use{}, err
		}
		by, err := ask(ctx, address)
		if !errors.Is(err, unix.ECONNREFUSED) || time.Now().After(deadline) {
			return nil, by, ctx.Err()
		}
		if err := ctx.Err(); err != nil {
			return nil, Use{}, err
		}
	}
}

// name is the abstract address of a lock. Hashed, it has always the same length
// and shows no other user what is mounted.
func name(kind, key string) *net.UnixAddr {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return &net.UnixAddr{Net: "unix", Name: "@iscsifs/" + hex.EncodeToString(sum[:])}
}

// serve tells whoever connects who holds the lock, until the listener is closed.
func (l *Lock) serve() {
	for {
		conn, err := l.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the process is out of descriptors: the lock holds, the next caller waits a moment
		}
		// One line fits into the socket's buffer, so that nobody can hold this up.
		_ = conn.SetWriteDeadline(time.Now().Add(answerTime))
		_, _ = conn.Write(l.answer)
		_ = conn.Close()
	}
}

// Release lets go of the lock. It may be called once.
func (l *Lock) Release() error {
	err := l.listener.Close()
	l.served.Wait()
	return err
}
