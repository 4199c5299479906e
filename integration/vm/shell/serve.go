package shell

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// pipeDelay is how long a daemon may hold the pipes of the command that started it.
const pipeDelay = 2 * time.Second

// Serve runs the commands that arrive and answers each when it has ended. It
// returns when the stream does and every command has ended; io.EOF is no error.
func Serve(stream io.ReadWriter) error {
	s := &server{to: json.NewEncoder(stream)}
	defer s.running.Wait()
	for from := json.NewDecoder(stream); ; {
		var r request
		if err := from.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		s.running.Go(func() { s.answer(r.ID, run(r.Command)) })
	}
}

type server struct {
	running sync.WaitGroup // one goroutine for each command
	mu      sync.Mutex     // held while an answer is written
	to      *json.Encoder
}

// answer loses what cannot be written: the reader sees the end of the stream.
func (s *server) answer(id int, r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to.Encode(answer{id, r})
}

func run(c Command) Result {
	if len(c.Args) == 0 {
		return Result{Code: -1, Stderr: "no command"}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.Limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.Limit)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeDelay
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Stdin), &stdout, &stderr
	err := cmd.Run()
	r := Result{Code: -1, Stdout: stdout.String(), Stderr: stderr.String()}
	if cmd.ProcessState != nil {
		r.Code = cmd.ProcessState.ExitCode()
	}
	if r.Code == -1 {
		r.Stderr += fmt.Sprintf("%s: %v", c.Args[0], err)
	}
	if ctx.Err() != nil {
		r.Stderr += fmt.Sprintf(" (killed after %v)", c.Limit)
	}
	return r
}
