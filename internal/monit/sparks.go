package monit

import (
	"fmt"
	"strings"

	"relevo/internal/machineview"
)

// Widths of a sparkline with its name and its value.
const (
	sparkWidth = 28
	sparkLabel = 6
	sparkValue = 9
	sparkCount = 5
)

func sparksPerLine(width int) int { return max(1, min(width/sparkWidth, sparkCount)) }

func sparkLines(width int) int {
	n := sparksPerLine(width)
	return (sparkCount + n - 1) / n
}

// sparkRows are the sparklines of the last looks.
func (m Model) sparkRows(a machineview.App, width int) (rows []string) {
	if a.Status == nil {
		return nil
	}
	waiting, limit, drops := queueText(a)
	h := a.History
	all := []struct {
		label, value string
		values       []float64
		least        float64 // the value of a full column, if none is higher
	}{
		{"CPU", percent(a.CPU), h.CPU, 10},
		{"MEM", memory(a.Usage.Memory), h.Memory, 1},
		{"CONN", number(a.Connections), h.Connections, 4},
		{"QUEUE", waiting + limit, h.Queue, 4},
		{"DROPS", drops, h.Drops, 4},
	}
	n := sparksPerLine(width)
	each := width / n
	for i, s := range all {
		if i%n == 0 {
			rows = append(rows, "")
		}
		line := sparkline(s.values, each-sparkLabel-sparkValue-3, s.least)
		rows[len(rows)-1] += m.theme.dim.Render(cell(s.label, sparkLabel)) + m.theme.accent.Render(line) + " " +
			right(s.value, sparkValue) + "  "
	}
	return rows
}

// queueText is what waits at the listeners, the most that may, and what was discarded of late.
func queueText(a machineview.App) (waiting, limit, drops string) {
	sum, most, known := queued(a)
	waiting, drops = "-", "-"
	if known {
		waiting = fmt.Sprint(sum)
	}
	if most > 0 {
		limit = fmt.Sprintf("/%d", most)
	}
	if n := len(a.History.Drops); n > 0 && a.History.Drops[n-1] >= 0 {
		drops = fmt.Sprintf("%.0f", total(a.History.Drops))
	}
	return waiting, limit, drops
}

// queued adds up the queues of the listeners that the kernel tells of.
func queued(a machineview.App) (waiting, limit int, known bool) {
	for _, l := range a.Status.Listeners {
		if l.Queue == nil || l.Queue.Waiting == nil {
			continue
		}
		known = true
		waiting += *l.Queue.Waiting
		if l.Queue.Limit != nil {
			limit += *l.Queue.Limit
		}
	}
	return waiting, limit, known
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += max(v, 0)
	}
	return sum
}

// sparkline shows the last values, a column each; a value that was not known is a space.
func sparkline(values []float64, width int, least float64) string {
	const columns = "▁▂▃▄▅▆▇█"
	heights := []rune(columns)
	values = values[max(0, len(values)-width):]
	most := least
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	b.WriteString(spaces(width - len(values)))
	for _, v := range values {
		if v < 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(heights[min(int(v/most*float64(len(heights))), len(heights)-1)])
	}
	return b.String()
}
