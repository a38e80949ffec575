package command

import (
	"fmt"
	"io"
	"time"

	"shoal/loadtest"
)

// progressBar shows on a terminal how far something is, in one line that it overwrites.
type progressBar struct {
	out   io.Writer // nil if nothing is to be shown
	style style
	drawn time.Time
}

const (
	progressWidth = 30
	// redraw is how often the line changes: often enough to look alive, seldom enough to read.
	redraw = 200 * time.Millisecond
)

func newProgressBar(out io.Writer, off bool) *progressBar {
	style := styleOf(out)
	if off || !style.unicode {
		out = nil
	}
	return &progressBar{out: out, style: style}
}

func (b *progressBar) show(p loadtest.Progress) {
	if b.out == nil || time.Since(b.drawn) < redraw {
		return
	}
	b.drawn = time.Now()
	rate := ""
	if p.PerSecond >= 1 {
		rate = grouped(uint64(p.PerSecond)) + " msg/s"
	}
	// Phases are padded, lest the bar jumps. The frame tells an empty bar from none.
	fmt.Fprintf(b.out, "\r%-11s ▕%s▏ %3.0f %%  %s\x1b[K", p.Phase, b.style.paint(cyan, b.style.bar(p.Done, progressWidth)), 100*p.Done, rate)
}

// erase removes the line.
func (b *progressBar) erase() {
	if b.out != nil && !b.drawn.IsZero() {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
