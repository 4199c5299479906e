package background

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// DefaultStopTime is how long an interrupted daemon may take to clean up.
const DefaultStopTime = 30 * time.Second

// Options say what to start.
type Options struct {
	Args   []string  // the arguments of the program, without its name; no secrets
	Stdout io.Writer // gets the lines of Reporter.Out
	Stderr io.Writer // gets the lines of Reporter.Warn
	// OnProgress, which may be nil, gets the values of Reporter.Progress.
	OnProgress func(json.RawMessage)
	StopTime   time.Duration // before an interrupted daemon is killed; 0 is DefaultStopTime
}

// Start runs this program again, in the background, relays its lines and returns
// nil when it is ready. Else it returns the daemon's own error, with its code, or
// says how the daemon ended; nothing runs then any more. If ctx ends first, the
// daemon is told to stop and waited for, and the error wraps the context's cause.
func Start(ctx context.Context, o Options) error {
	c, err := o.start()
	if err != nil {
		return fmt.Errorf("cannot start the daemon: %w", err)
	}
	defer c.close()
	return c.wait(ctx)
}

// child is a daemon that is not ready yet, seen from the parent.
type child struct {
	Options
	cmd    *exec.Cmd
	report *os.File      // its messages
	word   *os.File      // for the parent's word; closed, it means stop
	stderr *os.File      // its standard error
	tail   tail          // the last of it
	copied chan struct{} // closed when the tail is complete
}

func (o Options) start() (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{Options: o, cmd: exec.Command(program, o.Args...), copied: make(chan struct{})}
	if c.StopTime == 0 {
		c.StopTime = DefaultStopTime
	}
	c.cmd.Env = append(os.Environ(), marker+"=1")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	theirs, err := c.pipes()
	defer closeAll(theirs)
	if err == nil {
		err = shutInherited()
	}
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// pipes connects parent and child, and returns the child's ends.
func (c *child) pipes() (theirs []*os.File, err error) {
	var report, word, stderr *os.File
	if c.report, report, err = os.Pipe(); err != nil {
		return nil, err
	}
	theirs = append(theirs, report)
	if word, c.word, err = os.Pipe(); err != nil {
		return theirs, err
	}
	theirs = append(theirs, word)
	if c.stderr, stderr, err = os.Pipe(); err != nil {
		return theirs, err
	}
	theirs = append(theirs, stderr)
	c.cmd.ExtraFiles = []*os.File{report, word} // reportFD, wordFD
	c.cmd.Stderr = stderr
	return theirs, nil
}

// shutInherited keeps from the child what this process inherited itself, a lock
// file of a shell script, say, which the daemon would hold for as long as it runs.
// All that Go opened is closed on exec already.
func shutInherited() error {
	return unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// wait relays the child's messages until it is ready or has ended. The two
// goroutines that it starts end with it.
func (c *child) wait(ctx context.Context) error {
	messages := make(chan message)
	go relay(c.report, messages)
	go func() { defer close(c.copied); _, _ = io.Copy(&c.tail, c.stderr) }()
	defer func() {
		c.close() // ends both, also where a grandchild keeps the pipes open
		for range messages {
		}
		<-c.copied
	}()
	for {
		select {
		case <-ctx.Done():
			return c.stop(context.Cause(ctx), messages)
		case m, open := <-messages:
			switch {
			case !open:
				return c.ended()
			case m.Ready:
				return c.release(ctx, messages)
			case m.Failure != "":
				return c.failed(m)
			}
			c.show(m)
		}
	}
}

// show prints what the child has for the user.
func (c *child) show(m message) {
	if m.Out != "" {
		fmt.Fprintln(c.Stdout, m.Out)
	}
	if m.Err != "" {
		fmt.Fprintln(c.Stderr, m.Err)
	}
	if m.Progress != nil && c.OnProgress != nil {
		c.OnProgress(m.Progress)
	}
}

// release gives the word and lets the child go.
func (c *child) release(ctx context.Context, messages <-chan message) error {
	if ctx.Err() != nil {
		return c.stop(context.Cause(ctx), messages)
	}
	if _, err := c.word.Write([]byte{goOn}); err != nil {
		return c.ended()
	}
	return c.cmd.Process.Release()
}

// failed reports the child's own error when the child is gone, and below it what the
// programs have said that it has run: fusermount3 explains itself nowhere else.
func (c *child) failed(m message) error {
	_ = c.reap(c.StopTime)
	c.drain(c.stderr)
	<-c.copied
	failure := strings.TrimSpace(m.Failure)
	if text := c.tail.String(); text != "" {
		failure += "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	return exitcode.With(exitcode.Code(m.Code), errors.New(failure))
}

// stop tells the child to clean up and exit, and waits for that. What it still says
// is shown: why it takes so long, what it could not clean up.
func (c *child) stop(cause error, messages <-chan message) error {
	_ = c.word.Close()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for m := range messages {
			c.show(m)
		}
	}()
	killed := c.reap(c.StopTime)
	c.drain(c.report)
	<-shown
	if killed {
		return fmt.Errorf("%w: the daemon did not end within %s and was killed: `iscsifs status` shows what it left mounted",
			cause, c.StopTime)
	}
	return fmt.Errorf("%w: the daemon has ended before it was ready", cause)
}

// ended says how a child ended that did not say why.
func (c *child) ended() error {
	_ = c.reap(c.StopTime)
	c.drain(c.stderr)
	<-c.copied
	if text := c.tail.String(); text != "" {
		return fmt.Errorf("the daemon ended before it was ready: %s; its last words: %s", c.cmd.ProcessState, text)
	}
	return fmt.Errorf("the daemon ended before it was ready, without a word: %s", c.cmd.ProcessState)
}

// drainTime is how long a pipe may take to run dry when the child is gone.
const drainTime = time.Second

// drain bounds the reading of a pipe of a child that is gone: a grandchild may
// keep it open.
func (c *child) drain(pipe *os.File) { _ = pipe.SetReadDeadline(time.Now().Add(drainTime)) }

// reap waits for the child's end, and brings it about after a while.
func (c *child) reap(patience time.Duration) (killed bool) {
	exited := make(chan error, 1)
	go func() { exited <- c.cmd.Wait() }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-exited:
		return false
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		<-exited
		return true
	}
}

// close closes the parent's ends. It may be called again.
func (c *child) close() { closeAll([]*os.File{c.report, c.word, c.stderr}) }

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
