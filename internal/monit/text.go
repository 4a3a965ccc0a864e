package monit

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"relevo/internal/phrase"
	"relevo/internal/printable"
)

// clip makes a text of a worker or a master safe to show, and cuts it to a number of columns.
func clip(text string, width int) string {
	if width <= 0 {
		return ""
	}
	return ansi.Truncate(printable.Line(text), width, "…")
}

// cell is clip, and fills the rest with spaces.
func cell(text string, width int) string {
	text = clip(text, width)
	return text + spaces(width-ansi.StringWidth(text))
}

// right is cell with the text at the end.
func right(text string, width int) string {
	text = clip(text, width)
	return spaces(width-ansi.StringWidth(text)) + text
}

func spaces(n int) string { return strings.Repeat(" ", max(0, n)) }

// whole cuts or fills a painted line to a width.
func whole(line string, width int) string {
	if over := ansi.StringWidth(line); over != width {
		if over > width {
			return ansi.Truncate(line, width, "")
		}
		return line + spaces(width-over)
	}
	return line
}

// block makes exactly so many lines of a width.
func block(lines []string, width, height int) []string {
	out := make([]string, max(0, height))
	for i := range out {
		if i < len(lines) {
			out[i] = whole(lines[i], width)
		} else {
			out[i] = spaces(width)
		}
	}
	return out
}

// window returns where to begin to show a list of n, so that the chosen one is visible.
func window(n, chosen, height int) int {
	return max(0, min(chosen-height/2, n-height))
}

func percent(cpu *float64) string {
	switch {
	case cpu == nil:
		return "-"
	case *cpu < 9.95:
		return fmt.Sprintf("%.1f%%", *cpu)
	}
	return fmt.Sprintf("%.0f%%", *cpu)
}

func memory(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return phrase.Size(bytes)
}

func number(n *int) string {
	switch {
	case n == nil:
		return "-"
	case *n >= 10_000:
		return fmt.Sprintf("%dk", *n/1000)
	}
	return fmt.Sprint(*n)
}

// since is the time between two moments, in its largest units.
func since(from, to time.Time) string {
	if from.IsZero() {
		return "-"
	}
	return lasting(to.Sub(from))
}

func lasting(d time.Duration) string {
	d = max(0, d).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
