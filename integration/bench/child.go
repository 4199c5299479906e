package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// child is a process of ours that serves until it is told to end.
type child struct {
	cmd    *exec.Cmd
	said   bytes.Buffer  // its stderr; read it only after exited
	exited chan struct{} // closed by wait, which owns cmd.Wait
	err    error         // how it ended; read it only after exited
}

// start runs cmd in the background. If we are killed it gets a signal.
func start(cmd *exec.Cmd, ifKilled syscall.Signal) (*child, error) {
	c := &child{cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: ifKilled}
	cmd.Stderr = &c.said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go c.wait()
	return c, nil
}

// wait reaps the process; it ends when that does.
func (c *child) wait() {
	c.err = c.cmd.Wait()
	close(c.exited)
}

// end waits for a process that was told to end, and kills it when it does not.
func (c *child) end() error {
	select {
	case <-c.exited:
		return c.err
	case <-time.After(patience):
		c.kill()
		return errors.New("had to be killed")
	}
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.exited
}

// failure explains why a process that was to serve did not.
func (c *child) failure(err error) error {
	c.kill()
	return fmt.Errorf("%s: %w: %s", c.cmd.Args[0], err, bytes.TrimSpace(c.said.Bytes()))
}
