package fusefs

import (
	"bytes"
	"log"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// goFuseLog returns a logger for go-fuse that writes to l. What go-fuse has to
// say is that it could not talk to the kernel.
func goFuseLog(l zerolog.Logger) *log.Logger { return log.New(logWriter{l}, "", 0) }

type logWriter struct{ log zerolog.Logger }

// Write logs one line.
func (w logWriter) Write(line []byte) (int, error) {
	w.log.Warn().Msg("FUSE: " + string(bytes.TrimSpace(line)))
	return len(line), nil
}

// errorLog logs failed requests: of one kind, which is a file, an operation and
// an error number, one at a time, for a LUN that fails can fail thousands of
// requests a second.
type errorLog struct {
	mu   sync.Mutex
	kind map[failure]*failures
}

type failure struct {
	path, op string
	errno    syscall.Errno
}

type failures struct {
	logged time.Time
	unsaid int // since then
}

// errorLogInterval is the shortest time between two lines of one kind.
const errorLogInterval = 10 * time.Second

func (l *errorLog) log(to zerolog.Logger, path, op string, errno syscall.Errno, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := failure{path, op, errno}
	seen := l.kind[key]
	if seen == nil {
		if l.kind == nil {
			l.kind = map[failure]*failures{}
		}
		seen = &failures{}
		l.kind[key] = seen
	}
	if time.Since(seen.logged) < errorLogInterval {
		seen.unsaid++
		return
	}
	to.Error().Err(err).Str("file", path).Int("alike", seen.unsaid).Msg(op + " failed")
	*seen = failures{logged: time.Now()}
}
