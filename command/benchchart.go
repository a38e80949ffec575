package command

import (
	"fmt"
	"strings"
	"time"

	"shoal/loadtest"
)

// chart draws a histogram, one row to a line:
//
//	< 200 µs  ████████████████████▌                   34.2 %    1,234
func chart(style style, rows []loadtest.Bar) string {
	const width = 44
	var most, total int64
	for _, row := range rows {
		most = max(most, row.Count)
		total += row.Count
	}
	var b strings.Builder
	for _, row := range rows {
		bar := style.paint(cyan, style.bar(float64(row.Count)/float64(max(most, 1)), width))
		label := pad("< "+shortTime(style, time.Duration(row.To)), 8)
		fmt.Fprintf(&b, "  %s  %s %s %14s\n", label, bar, percent(row.Count, total), grouped(uint64(row.Count)))
	}
	return b.String()
}

// percent writes a share in 8 columns. One that is not zero is not written as zero.
func percent(n, total int64) string {
	share := 100 * float64(n) / float64(total)
	switch {
	case n == 0:
		return "       -"
	case share < 0.005:
		return " <0.01 %"
	}
	return fmt.Sprintf("%6.2f %%", share)
}

// shortTime writes a round time.
func shortTime(style style, d time.Duration) string {
	value, unit := scaled(style, d)
	return fmt.Sprintf("%g %s", value, unit)
}

// exactTime writes a time with three digits.
func exactTime(style style, d time.Duration) string {
	value, unit := scaled(style, d)
	decimals := 0
	switch {
	case unit == "ns":
	case value < 9.995:
		decimals = 2
	case value < 99.95:
		decimals = 1
	}
	return fmt.Sprintf("%.*f %s", decimals, value, unit)
}

func scaled(style style, d time.Duration) (value float64, unit string) {
	micro := "us"
	if style.unicode {
		micro = "µs"
	}
	switch {
	case d < time.Microsecond:
		return float64(d), "ns"
	case d < time.Millisecond:
		return float64(d) / 1e3, micro
	case d < time.Second:
		return float64(d) / 1e6, "ms"
	}
	return d.Seconds(), "s"
}

// pad right-aligns text that may not be ASCII.
func pad(text string, width int) string {
	return strings.Repeat(" ", max(0, width-len([]rune(text)))) + text
}

// grouped writes a number with commas between groups of three digits.
func grouped(n uint64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
