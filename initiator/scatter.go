package initiator

import (
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxScatter is how many buffers one system call fills.
const maxScatter = 256

// scatter fills several buffers from a socket with one readv(2): the frames of a
// cache are small and lie apart. It is owned by the reader of the connection.
type scatter struct {
	raw  syscall.RawConn
	iov  []unix.Iovec
	n    int
	err  error
	call func(fd uintptr) bool // readv, bound once so that no read allocates
}

func (s *scatter) init(nc net.Conn) {
	s.iov = make([]unix.Iovec, 0, maxScatter)
	s.call = s.readv
	sock, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sock.SyscallConn(); err == nil {
		s.raw = raw
	}
}

func (s *scatter) reset()     { s.iov = s.iov[:0] }
func (s *scatter) full() bool { return len(s.iov) == cap(s.iov) }

// add appends a buffer, which must not be empty and is kept by the caller.
func (s *scatter) add(b []byte) {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	s.iov = append(s.iov, v)
}

// read waits for data and returns how many bytes came: at least one, or an error.
func (s *scatter) read() (int, error) {
	if err := s.raw.Read(s.call); err != nil {
		return 0, err
	}
	if s.err == nil && s.n == 0 {
		return 0, io.EOF
	}
	return s.n, s.err
}

// readv is one attempt; it is false when there is nothing to read yet.
func (s *scatter) readv(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&s.iov[0])), uintptr(len(s.iov)))
		switch errno {
		case 0:
			s.n, s.err = int(n), nil
			s.tellRaceDetector()
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		default:
			s.n, s.err = 0, errno
		}
		return true
	}
}
