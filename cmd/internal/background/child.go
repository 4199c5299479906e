package background

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// ErrParentGone says that the command that started the daemon was interrupted or
// killed before the daemon was ready.
var ErrParentGone = errors.New("the command that started the daemon is gone")

// Reporter is the child's side: what the user who waits is told.
type Reporter struct {
	word chan struct{} // closed by listen: the parent gave its word
	gone chan struct{} // closed by listen: the parent will not

	mu struct {
		sync.Mutex
		report *os.File // to the parent; nil once Ready or Fail is through
	}
}

// Inherited returns the reporter if this process was started by Start, else nil.
// To be called once, before anything else opens descriptors or starts processes.
func Inherited() *Reporter {
	if _, child := os.LookupEnv(marker); !child {
		return nil
	}
	_ = os.Unsetenv(marker) // no child of the daemon's is meant
	// A parent that is killed must not kill by SIGPIPE who cleans up behind it.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	// Start had to let them through exec; fusermount3 shall not have them.
	unix.CloseOnExec(reportFD)
	unix.CloseOnExec(wordFD)
	r := &Reporter{word: make(chan struct{}), gone: make(chan struct{})}
	r.mu.report = os.NewFile(reportFD, "report")
	go r.listen(os.NewFile(wordFD, "word"))
	return r
}

// listen waits for the parent's word or its end; one of the two comes for certain.
func (r *Reporter) listen(f *os.File) {
	defer f.Close()
	var word [1]byte
	if n, _ := f.Read(word[:]); n == 1 && word[0] == goOn {
		close(r.word)
		return
	}
	close(r.gone)
}

// Context returns a context that ends with the cause ErrParentGone if the parent
// is interrupted or killed before Ready, for everything done until then.
func (r *Reporter) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-r.gone:
			cancel(ErrParentGone)
		case <-r.word:
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// Out tells the user a line on the command's standard output.
func (r *Reporter) Out(line string) { r.send(message{Out: line}) }

// Warn tells the user a line on the command's standard error.
func (r *Reporter) Warn(line string) { r.send(message{Err: line}) }

// Progress tells how far the start is; the value becomes JSON.
func (r *Reporter) Progress(value any) {
	if raw, err := json.Marshal(value); err == nil {
		r.send(message{Progress: raw})
	}
}

// Ready says that the daemon serves, and cuts the process off from the command: it
// returns nil when the command has heard it, and ErrParentGone if it has not and
// the daemon must end.
func (r *Reporter) Ready() error {
	r.send(message{Ready: true})
	select {
	case <-r.word:
	case <-r.gone:
		return ErrParentGone
	}
	r.close()
	return detach()
}

// Fail gives the command the error to print and the code to exit with. The process
// is to exit then. After Ready it does nothing.
func (r *Reporter) Fail(err error) {
	r.send(message{Failure: err.Error(), Code: exitcode.Of(err)})
	r.close()
}

// send writes a message. That the parent is gone shows in r.gone.
func (r *Reporter) send(m message) {
	line, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.report != nil {
		_, _ = r.mu.report.Write(append(line, '\n'))
	}
}

func (r *Reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.report != nil {
		_ = r.mu.report.Close()
		r.mu.report = nil
	}
}

// detach lets go of what the process still has of the command: its standard error
// and its working directory, which would keep a file system busy.
func detach() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cannot leave the terminal: %w", err)
	}
	defer null.Close()
	if err := unix.Dup3(int(null.Fd()), int(os.Stderr.Fd()), 0); err != nil {
		return fmt.Errorf("cannot leave the terminal: %w", err)
	}
	return os.Chdir("/")
}
