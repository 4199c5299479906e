package main

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

// barDelay is how long a wait lasts before it is shown: shorter ones only flicker.
const barDelay = time.Second

// barTick is how often what is shown moves, so that people see that it lives.
const barTick = 200 * time.Millisecond

// terminal is where bars are drawn; nil where nobody looks.
func (p *program) terminal() *os.File {
	if f, ok := p.stderr.(*os.File); ok && isTerminal(f) {
		return f
	}
	return nil
}

// flushBar shows on a terminal how much is still to be written and how fast that
// goes. Elsewhere it shows nothing.
type flushBar struct {
	out   *os.File // nil = nobody looks
	title string
	began time.Time
	bar   *progressbar.ProgressBar // nil until it is to be seen
	most  int64                    // bytes that were ever dirty
}

func (p *program) newFlushBar(title string) *flushBar {
	return &flushBar{out: p.terminal(), title: title, began: time.Now()}
}

// progress takes a control.Flush.
func (b *flushBar) progress(raw json.RawMessage) {
	var f control.Flush
	if b.out == nil || json.Unmarshal(raw, &f) != nil || f.Dirty == 0 && b.bar == nil {
		return
	}
	b.most = max(b.most, f.Dirty)
	if time.Since(b.began) < barDelay {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(b.most,
			progressbar.OptionSetWriter(b.out),
			progressbar.OptionSetDescription(plain.Text(b.title)),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionClearOnFinish())
	}
	b.bar.ChangeMax64(b.most)
	_ = b.bar.Set64(b.most - f.Dirty) // a terminal that does not take it is no failure
}

// end takes the bar away.
func (b *flushBar) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// waitBar shows on a terminal how many of several things are done, what is waited for,
// and for how long already. Elsewhere it shows nothing. Its goroutine lives from its
// start to end.
type waitBar struct {
	out     *os.File // nil = nobody looks
	began   time.Time
	quit    chan struct{} // closed by end
	stopped chan struct{} // closed when the goroutine has ended

	mu    sync.Mutex // guards what follows, and the terminal
	title string
	done  int
	total int                      // 0 = nobody knows
	bar   *progressbar.ProgressBar // nil until it is to be seen
}

// newWaitBar shows title until it is set to something else.
func (p *program) newWaitBar(title string) *waitBar {
	b := &waitBar{out: p.terminal(), title: title, began: time.Now(), quit: make(chan struct{}), stopped: make(chan struct{})}
	if b.out == nil {
		close(b.stopped)
		return b
	}
	go b.live()
	return b
}

// live draws again and again.
func (b *waitBar) live() {
	defer close(b.stopped)
	ticker := time.NewTicker(barTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.draw()
		case <-b.quit:
			b.mu.Lock()
			defer b.mu.Unlock()
			b.clear()
			return
		}
	}
}

// set says what is waited for, and how much is done.
func (b *waitBar) set(done, total int, title string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done, b.total, b.title = done, total, title
}

// barWidth is how many characters the bar itself has.
const barWidth = 20

func (b *waitBar) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.began) < barDelay {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions(cmp.Or(b.total, -1),
			progressbar.OptionSetWriter(b.out),
			progressbar.OptionSetWidth(barWidth),
			progressbar.OptionShowCount(),
			progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish())
	}
	b.bar.Describe(b.fitting(plain.Text(b.title)))
	if b.total > 0 {
		b.bar.ChangeMax(b.total)
		_ = b.bar.Set(b.done) // a terminal that does not take it is no failure
	}
	_ = b.bar.RenderBlank()
}

// fitting is text, cut to what the terminal has beside the bar: a line that wraps cannot
// be taken away again.
func (b *waitBar) fitting(text string) string {
	width, _, err := term.GetSize(int(b.out.Fd()))
	if line, room := []rune(text), width-barWidth-24; err == nil && len(line) > max(room, 1) {
		return string(line[:max(room, 1)-1]) + "…"
	}
	return text
}

// clear takes the bar away, until it is drawn again. The mutex is held.
func (b *waitBar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// end takes the bar away for good.
func (b *waitBar) end() {
	if b.out != nil {
		close(b.quit)
	}
	<-b.stopped
}

// above is w for lines that appear while the bar is shown: it gives way to them.
func (b *waitBar) above(w io.Writer) io.Writer { return &aboveBar{b, w} }

type aboveBar struct {
	bar *waitBar
	w   io.Writer
}

func (a *aboveBar) Write(line []byte) (int, error) {
	a.bar.mu.Lock()
	defer a.bar.mu.Unlock()
	a.bar.clear()
	return a.w.Write(line)
}
