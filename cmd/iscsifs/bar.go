package main

import (
	"encoding/json"
	"io"

	"github.com/schollz/progressbar/v3"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
)

// flushBar shows on a terminal how much is still to be written and how fast that
// goes. Elsewhere it shows nothing.
type flushBar struct {
	out   io.Writer // nil = nobody looks
	title string
	bar   *progressbar.ProgressBar // nil until something is dirty
	most  int64                    // bytes that were ever dirty
}

func (p *program) newFlushBar(title string) *flushBar {
	b := &flushBar{title: title}
	if isTerminal(p.stderr) {
		b.out = p.stderr
	}
	return b
}

// progress takes a control.Flush.
func (b *flushBar) progress(raw json.RawMessage) {
	var f control.Flush
	if b.out == nil || json.Unmarshal(raw, &f) != nil || f.Dirty == 0 && b.bar == nil {
		return
	}
	b.most = max(b.most, f.Dirty)
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(b.most,
			progressbar.OptionSetWriter(b.out),
			progressbar.OptionSetDescription(b.title),
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
