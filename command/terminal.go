package command

import "os"

// style is what a place where text appears can show.
type style struct {
	unicode bool
	color   bool
}

// styleOf returns the style for what is written to out: plain text unless it is a terminal.
func styleOf(out any) style {
	if !isTerminal(out) || os.Getenv("TERM") == "dumb" {
		return style{}
	}
	return style{unicode: true, color: os.Getenv("NO_COLOR") == ""}
}

// Colors as terminals know them.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint returns text in a color.
func (s style) paint(color, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// eighths are a column of a bar, filled from the left.
var eighths = []rune(" ▏▎▍▌▋▊▉█")

// bar returns a bar of width columns of which share, from 0 to 1, are filled. What is more than
// nothing is never invisible.
func (s style) bar(share float64, width int) string {
	share = min(max(share, 0), 1)
	cells := make([]rune, width)
	if !s.unicode {
		full := int(share*float64(width) + 0.5)
		for i := range cells {
			cells[i] = ' '
			if i < full {
				cells[i] = '#'
			}
		}
		if full == 0 && share > 0 && width > 0 {
			cells[0] = '.'
		}
		return string(cells)
	}
	steps := int(share*float64(8*width) + 0.5)
	if steps == 0 && share > 0 {
		steps = 1
	}
	for i := range cells {
		cells[i] = eighths[min(max(steps-8*i, 0), 8)]
	}
	return string(cells)
}
