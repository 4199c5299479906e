package guard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// unique is a key that no other run of the test has.
func unique(t *testing.T) string {
	return fmt.Sprintf("%s-%d-%d", t.Name(), os.Getpid(), time.Now().UnixNano())
}

func release(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestLogicalUnit(t *testing.T) {
	key := unique(t)
	use := Use{Mountpoint: "/mnt/a", Path: "/mnt/a/lun0"}
	first, err := LogicalUnit(t.Context(), key, "LUN 0", use)
	if err != nil {
		t.Fatal(err)
	}
	_, err = LogicalUnit(t.Context(), key, "LUN 0 of iqn.x", Use{Mountpoint: "/mnt/b"})
	var held *HeldError
	if !errors.As(err, &held) || exitcode.Of(err) != int(exitcode.InUse) {
		t.Fatalf("the second: %v, code %d", err, exitcode.Of(err))
	}
	if held.By.Path != use.Path || held.By.Mountpoint != use.Mountpoint || held.By.PID != os.Getpid() || held.By.UID != os.Getuid() {
		t.Errorf("held by %+v", held.By)
	}
	for _, text := range []string{"LUN 0 of iqn.x", "/mnt/a/lun0", fmt.Sprint(os.Getpid()), "--shared"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	release(t, first)
	again, err := LogicalUnit(t.Context(), key, "LUN 0", use)
	if err != nil {
		t.Fatal("released, and still held:", err)
	}
	release(t, again)
}

// TestLocksAreApart: a mountpoint can be called like a logical unit, and sessions
// differ by each of their three names.
func TestLocksAreApart(t *testing.T) {
	key := unique(t)
	acquire := []func() (*Lock, error){
		func() (*Lock, error) { return LogicalUnit(t.Context(), key, "", Use{}) },
		func() (*Lock, error) { return Mountpoint(t.Context(), key, Use{}) },
		func() (*Lock, error) { return Nexus(t.Context(), key, [6]byte{1}, "t", Use{}) },
		func() (*Lock, error) { return Nexus(t.Context(), key, [6]byte{2}, "t", Use{}) },
		func() (*Lock, error) { return Nexus(t.Context(), key, [6]byte{1}, "u", Use{}) },
	}
	for i, f := range acquire {
		l, err := f()
		if err != nil {
			t.Fatal(i, err)
		}
		defer release(t, l)
	}
}

// TestOneWins: of many at once exactly one has the lock.
func TestOneWins(t *testing.T) {
	key := unique(t)
	locks := make(chan *Lock, 16)
	var all sync.WaitGroup
	for range cap(locks) {
		all.Go(func() {
			if l, err := LogicalUnit(t.Context(), key, "it", Use{}); err == nil {
				locks <- l
			}
		})
	}
	all.Wait()
	if len(locks) != 1 {
		t.Errorf("%d have the lock", len(locks))
	}
	for len(locks) > 0 {
		release(t, <-locks)
	}
}

// TestKilled: the lock of another process tells of it and ends with it.
func TestKilled(t *testing.T) {
	key := unique(t)
	other := exec.Command("/proc/self/exe")
	other.Env = append(os.Environ(), "GUARD_TEST_HOLD="+key)
	if os.Getuid() == 0 {
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Errorf("the other process: %s", line)
	}
	use, served := ServedBy(t.Context(), key)
	if !served || use.PID != other.Process.Pid || use.Socket != "/run/x" {
		t.Errorf("served by %+v", use)
	}
	if os.Getuid() == 0 && use.UID != 65534 {
		t.Errorf("of uid %d", use.UID)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
	if _, served := ServedBy(t.Context(), key); served {
		t.Error("the dead still serve")
	}
	l, err := Mountpoint(t.Context(), key, Use{})
	if err != nil {
		t.Fatal("killed, and still held:", err)
	}
	release(t, l)
}

// TestSquatter: whoever took the name without being iscsifs is named by the kernel,
// whatever it says, and cannot make the asking wait.
func TestSquatter(t *testing.T) {
	for _, answer := range []string{"", "nonsense\n", strings.Repeat("x", 2*maxAnswer), `{"mountpoint":"/a\u001b[2J"}` + "\n"} {
		key := unique(t)
		squatter, err := net.ListenUnix("unix", name(unitLock, key))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := squatter.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = conn.Write([]byte(answer))
			_, _ = conn.Read(make([]byte, 1)) // until the asking has enough
		}()
		start := time.Now()
		_, err = LogicalUnit(t.Context(), key, "it", Use{})
		var held *HeldError
		if !errors.As(err, &held) || held.By.PID != os.Getpid() || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%.20q: %v", answer, err)
		}
		if took := time.Since(start); took > askTime+20*time.Second {
			t.Errorf("%.20q: it took %s", answer, took)
		}
		_ = squatter.Close()
	}
}

// FuzzAnswered: what another user's process says of itself prints, whatever it is.
func FuzzAnswered(f *testing.F) {
	f.Add([]byte("{\"mountpoint\":\"/mnt\\u001b[2J\",\"path\":\"/mnt/lun0\"}\n"))
	f.Add([]byte("\xff\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		use := answered(bytes.NewReader(line))
		for _, text := range []string{use.Mountpoint, use.Path, use.Socket} {
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\ufffd' && !unicode.IsPrint(r) }) {
				t.Errorf("%q", text)
			}
		}
	})
}
