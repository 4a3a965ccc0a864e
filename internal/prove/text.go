package prove

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"relevo/internal/phrase"
)

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n\n", r.URL, brief(r.Duration), r.loop())
	if r.CutShort {
		b.WriteString("interrupted: this was counted until then\n\n")
	}
	r.writeRequests(&b)
	b.WriteByte('\n')
	r.writeLatency(&b)
	b.WriteByte('\n')
	fmt.Fprintf(&b, "longest gap without an answer: %s, at %s\n", brief(r.LongestGap), brief(r.LongestGapAt))
	r.writeCarried(&b)
	r.writeRolls(&b)
	r.writeRuns(&b)
	if r.Left != nil {
		fmt.Fprintf(&b, "connections of workers that left: %s\n", r.Left.Text)
	}
	r.writeKills(&b)
	r.writeLimits(&b)
	if r.MaxLost > 0 {
		fmt.Fprintf(&b, "lost: %s; no failure up to %s\n", count(int64(r.Lost())), count(int64(r.MaxLost)))
	}
	r.writeSamples(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// loop describes in words when requests are sent.
func (r Report) loop() string {
	if r.Rate > 0 {
		return fmt.Sprintf("%s requests a second per row, by up to %d clients", count(int64(r.Rate)), r.Clients)
	}
	switch {
	case r.HTTP2 != nil:
		return fmt.Sprintf("%d streams at a time", r.Clients)
	case r.WebSocket != nil:
		return phrase.Count(r.Clients, "WebSocket")
	}
	return fmt.Sprintf("%d clients per row", r.Clients)
}

// row is one line of the tables.
type row struct {
	name string
	*Figures
}

func (r Report) rows() []row {
	rows := r.kinds()
	if len(rows) > 1 {
		rows = append(rows, row{"total", &r.Total})
	}
	return rows
}

// kinds has a row for each kind of connection.
func (r Report) kinds() []row {
	var rows []row
	if r.Fresh != nil {
		rows = append(rows, row{string(Fresh), r.Fresh})
	}
	if r.KeepAlive != nil {
		rows = append(rows, row{string(KeepAlive), r.KeepAlive})
	}
	if r.HTTP2 != nil {
		rows = append(rows, row{"http/2", r.HTTP2})
	}
	if r.WebSocket != nil {
		rows = append(rows, row{string(WebSocket), r.WebSocket})
	}
	return rows
}

func (r Report) writeRequests(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(first, sent, ok, held, unprocessed string, losses ...string) {
		cells := []string{first, sent, ok}
		if r.Kills != nil {
			cells = append(cells, held)
		}
		if r.HTTP2 != nil || r.WebSocket != nil {
			cells = append(cells, unprocessed)
		}
		fmt.Fprintln(t, strings.Join(append(cells, losses...), "\t")+"\t")
	}
	what, unprocessed := "requests", "unprocessed"
	if r.WebSocket != nil {
		what, unprocessed = "messages", "met close"
	}
	line(what, "sent", "ok", "held", unprocessed, "lost", "refused", "reset", "eof", "timeout", "5xx", "other")
	for _, f := range r.rows() {
		l := f.Lost
		line(f.name, count(f.Sent), count(f.OK), count(f.Held), count(f.Unprocessed), count(l.Total()), count(l.Refused),
			count(l.Reset), count(l.EOF), count(l.Timeout), count(l.Status5xx), count(l.Other))
	}
	t.Flush()
}

func (r Report) writeLatency(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "latency\tp50\tp90\tp99\tp99.9\tslowest\t")
	for _, f := range r.rows() {
		l := f.Latency
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", f.name,
			brief(l.P50), brief(l.P90), brief(l.P99), brief(l.P999), brief(l.Slowest))
	}
	t.Flush()
}

func (r Report) writeRolls(b *strings.Builder) {
	if r.Rolls == nil {
		return
	}
	fmt.Fprintf(b, "rolls: %d done, %d failed, %s replaced\n", r.Rolls.Done, r.Rolls.Failed,
		phrase.Count(r.Rolls.Replaced, "worker"))
	for _, reason := range r.Rolls.Reasons {
		fmt.Fprintf(b, "  failed: %s\n", reason)
	}
}

func (r Report) writeRuns(b *strings.Builder) {
	if r.During == nil {
		return
	}
	fmt.Fprintf(b, "runs of %s: %d done, %d failed, the slowest in %s\n", r.During.Command, r.During.Done,
		r.During.Failed, brief(r.During.Slowest))
	for _, reason := range r.During.Reasons {
		fmt.Fprintf(b, "  failed: %s\n", reason)
	}
}

func (r Report) writeKills(b *strings.Builder) {
	k := r.Kills
	if k == nil {
		return
	}
	fmt.Fprintf(b, "kills: %d done, %d failed; replacement serving after %s (median), %s (max)",
		k.Count, k.Failed, brief(k.RecoveryMedian), brief(k.RecoveryMax))
	if k.Unrecovered > 0 {
		fmt.Fprintf(b, "; %d never replaced", k.Unrecovered)
	}
	b.WriteByte('\n')
	if k.Attribution == ByTime {
		fmt.Fprintf(b, "  held is a guess by time: %s\n", k.AttributionReason)
	}
	for _, err := range k.Errors {
		fmt.Fprintf(b, "  failed: %s\n", err)
	}
}

func (r Report) writeLimits(b *strings.Builder) {
	if n := r.Total.LocalPorts; n > 0 {
		fmt.Fprintf(b, "not sent: %s, this machine was out of local ports: use fewer clients, or widen "+
			"net.ipv4.ip_local_port_range\n", count(n))
	}
	if n := r.Total.LocalFiles; n > 0 {
		fmt.Fprintf(b, "not sent: %s, this process was out of open files: use fewer clients, or raise ulimit -n\n", count(n))
	}
}

func (r Report) writeSamples(b *strings.Builder) {
	if len(r.Samples) == 0 {
		return
	}
	fmt.Fprintf(b, "\nthe first %d lost:\n", len(r.Samples))
	for _, s := range r.Samples {
		fmt.Fprintf(b, "  at %s  %s  %s  after %s", brief(s.At), s.Connections, s.Class, brief(s.Took))
		if s.Local != "" {
			fmt.Fprintf(b, ", connection of %s open for %s, request %d on it", s.Local, brief(s.ConnectionAge), s.Served+1)
		}
		fmt.Fprintf(b, ": %s\n", s.Error)
	}
}

// brief rounds a duration to three figures or so.
func brief(m Millis) string {
	d := time.Duration(m)
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}

// count writes 1234567 as 1,234,567.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
