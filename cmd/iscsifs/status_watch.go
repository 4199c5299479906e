package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// watchPatience is how long a look of --watch waits for a daemon.
const watchPatience = 3 * time.Second

// view is where the looks of --watch are shown.
type view interface {
	show(text string)
	redraw() // what was shown last, after the size has changed
	close()
}

// watchStatus looks again and again until ctx ends, which is no failure. A mount that
// is not there at the first look is one; later it may come back.
func (p *program) watchStatus(ctx context.Context, r statusRequest) error {
	text, err := p.look(ctx, r)
	if err != nil {
		return err
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	v := p.newView(r)
	defer v.close()
	next := time.NewTicker(r.watch)
	defer next.Stop()
	for ctx.Err() == nil {
		v.show(text)
		if !awaitLook(ctx, next.C, resized, v) {
			break
		}
		if text, err = p.look(ctx, r); err != nil {
			text = r.nothing(err)
		}
	}
	return nil
}

// nothing is shown in place of mounts that cannot be looked at any more.
func (r *statusRequest) nothing(why error) string {
	if !r.asJSON {
		return plain.Text(why.Error()) + "\n"
	}
	var b bytes.Buffer
	_ = writeJSON(&b, status.Report{Version: version}, true) // into memory
	return b.String()
}

// awaitLook returns when it is time for the next look; false when ctx has ended.
func awaitLook(ctx context.Context, next <-chan time.Time, resized <-chan os.Signal, v view) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-resized:
			v.redraw()
		case <-next:
			return true
		}
	}
}

// look is what there is to be seen now.
func (p *program) look(ctx context.Context, r statusRequest) (string, error) {
	report, err := p.status(ctx, r.point, watchPatience)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = r.write(&b, report, colours(p.stdout))
	return b.String(), err
}

// newView is the screen of a terminal, or a stream of texts elsewhere.
func (p *program) newView(r statusRequest) view {
	if f, ok := p.stdout.(*os.File); ok && isTerminal(f) && !r.asJSON {
		return newScreen(f)
	}
	return &stream{out: p.stdout, plainly: r.asJSON}
}

// stream prints each text below the last.
type stream struct {
	out     io.Writer
	plainly bool // without a line between them
}

func (s *stream) show(text string) {
	if !s.plainly {
		fmt.Fprintf(s.out, "-- %s\n", clock(time.Now()))
	}
	fmt.Fprint(s.out, text)
}

func (s *stream) redraw() {}
func (s *stream) close()  {}

// Control sequences of every terminal since the VT100, and xterm's for a screen that
// goes away again.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	cutLines    = "\x1b[?7l" // what is too long is not wrapped
	wrapLines   = "\x1b[?7h"
	home        = "\x1b[H"
	clearLine   = "\x1b[K" // to its end
	clearBelow  = "\x1b[J"
)

// screen is a terminal that shows one text at a time.
type screen struct {
	terminal *os.File
	text     string
}

func newScreen(terminal *os.File) *screen {
	s := &screen{terminal: terminal}
	s.write(enterScreen)
	return s
}

func (s *screen) show(text string) {
	s.text = clock(time.Now()) + "  (^C ends it)\n" + text
	s.redraw()
}

// redraw writes over what is there, in one piece, so that nothing flickers.
func (s *screen) redraw() {
	lines := strings.Split(strings.TrimSuffix(s.text, "\n"), "\n")
	if _, height, err := term.GetSize(int(s.terminal.Fd())); err == nil && height > 1 && len(lines) > height {
		more := len(lines) - height + 1
		lines = append(lines[:height-1], fmt.Sprintf("… and %s: make the window larger, or name one mountpoint", count(more, "more line")))
	}
	s.write(home + cutLines + strings.Join(lines, clearLine+"\n") + clearLine + clearBelow + wrapLines)
}

func (s *screen) close() { s.write(leaveScreen) }

// write ignores errors: whose terminal is gone gets a SIGHUP, too.
func (s *screen) write(text string) { _, _ = io.WriteString(s.terminal, text) }
