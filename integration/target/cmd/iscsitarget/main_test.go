package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"
)

func TestServesUntilStopped(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("a long secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--lun", "1MiB", "--lun", "2MiB,block=4096,thin,file=" + filepath.Join(dir, "disk"),
			"--chap-user", "alice", "--chap-password-file", password, "--strict"}, in)
	}()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(filepath.Join(dir, "disk")); err != nil || st.Size() != 2<<20 {
		t.Errorf("backing file: %v %v", st, err)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{"--lun", "x"}, {"--lun", "1MiB,block=0"}, {"--lun", "1MiB,fat"}, {"--lun", "1000"},
		{"--lun", "1XiB"}, {"--chap-user", "a", "--chap-password-file", "/nonexistent"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q were accepted", args)
		}
	}
	if err := run(t.Context(), []string{"--help"}, io.Discard); !errors.Is(err, pflag.ErrHelp) {
		t.Error(err)
	}
}
