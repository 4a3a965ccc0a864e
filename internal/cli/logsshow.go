package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"relevo/internal/logfile"
	"relevo/internal/phrase"
	"relevo/internal/printable"
)

// logView shows the lines of several apps in one stream.
type logView struct {
	cli      *cli
	flags    logsFlags
	patterns []string
	unnamed  bool // no app was named; deleted ones are left out
	wanted   func(logfile.Record) bool
	apps     []*loggedApp
	out      *bufio.Writer
	terminal bool
}

// loggedApp is one app of a logView.
type loggedApp struct {
	name   string
	last   []logfile.Record // lines to show before those of the cursor
	cursor *logfile.Cursor
	live   bool           // show every line of the cursor, whatever its time
	joiner logfile.Joiner // joins split lines again
	head   *logfile.Record
}

func (c *cli) showLogs(ctx context.Context, args []string, f logsFlags) error {
	wanted, err := f.wanted()
	if err != nil {
		return err
	}
	patterns, err := c.patterns(args)
	if err != nil {
		return err
	}
	names, err := c.logged(patterns, len(args) > 0)
	if err != nil {
		return err
	}
	unnamed := len(args) == 0 && slices.Equal(patterns, []string{"all"})
	if unnamed {
		if present := c.present(names); len(present) > 0 {
			names = present
		}
	}
	v := &logView{cli: c, flags: f, patterns: patterns, unnamed: unnamed, wanted: wanted,
		out: bufio.NewWriterSize(c.stdout, 64<<10), terminal: isTerminal(c.stdout)}
	defer v.close()
	for _, name := range names {
		if err := v.add(name); err != nil {
			return err
		}
	}
	if err := v.showPast(ctx); err != nil || !f.follow {
		return err
	}
	return v.follow(ctx)
}

func (v *logView) close() {
	for _, a := range v.apps {
		a.cursor.Close()
	}
}

// add shows an app from the line on that the flags choose.
func (v *logView) add(name string) (err error) {
	a := &loggedApp{name: name, live: v.flags.last < 0}
	dir := v.cli.places.Logs(name)
	if a.live {
		a.cursor, err = logfile.Since(dir, time.Now().Add(-v.flags.since))
	} else {
		a.last, a.cursor, err = logfile.Tail(dir, v.flags.last, v.wanted)
	}
	if err == nil {
		v.apps = append(v.apps, a)
	}
	return err
}

// next returns the next line that was written already, or io.EOF.
func (v *logView) next(a *loggedApp) (logfile.Record, error) {
	for {
		var r logfile.Record
		switch {
		case len(a.last) > 0:
			r, a.last = a.last[0], a.last[1:]
		case !a.live:
			return r, io.EOF
		default:
			var err error
			if r, err = a.cursor.Next(); err != nil {
				return r, err
			}
			if missed := a.cursor.Missed(); missed > 0 {
				v.out.Flush()
				fmt.Fprintf(v.cli.stderr, "relevo: %s of %s removed before they were read: by [log] keep, or by relevo flush\n",
					phrase.Count(missed, "log file"), a.name)
			}
			if !v.wanted(r) {
				continue
			}
		}
		if v.flags.grep != "" {
			return r, nil // --grep shows each piece that matches; pieces are not joined
		}
		if whole, ok := a.joiner.Join(r); ok {
			return whole, nil
		}
	}
}

// showPast shows the existing lines of all apps, sorted by time.
func (v *logView) showPast(ctx context.Context) error {
	for shown := 1; ctx.Err() == nil; shown++ {
		var first *loggedApp
		for _, a := range v.apps {
			if a.head == nil {
				r, err := v.next(a)
				if errors.Is(err, io.EOF) {
					continue
				}
				if err != nil {
					return err
				}
				a.head = &r
			}
			if first == nil || a.head.Time.Before(first.head.Time) {
				first = a
			}
		}
		if first == nil {
			break
		}
		if err := v.print(first, *first.head); err != nil {
			return err
		}
		first.head = nil
	}
	for _, a := range v.apps {
		if !v.flags.follow {
			for _, r := range a.joiner.Rest() {
				v.print(a, r)
			}
		}
		a.live = true
	}
	return v.out.Flush()
}

// Pauses of a reader that has reached the end of all files.
const (
	logPause    = 100 * time.Millisecond
	appsPause   = 10 // number of pauses between two searches for new apps
	roundOfLogs = 2000
)

// follow shows new lines as they are written.
func (v *logView) follow(ctx context.Context) error {
	type line struct {
		app *loggedApp
		logfile.Record
	}
	for pauses := 1; ; {
		var round []line
		for _, a := range v.apps {
			for range roundOfLogs {
				r, err := v.next(a)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return err
				}
				round = append(round, line{a, r})
			}
		}
		slices.SortStableFunc(round, func(a, b line) int { return a.Time.Compare(b.Time) })
		for _, l := range round {
			if err := v.print(l.app, l.Record); err != nil {
				return err
			}
		}
		if err := v.out.Flush(); err != nil {
			return fmt.Errorf("cannot write the lines: %w", err)
		}
		if len(round) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(logPause):
		}
		if pauses++; pauses%appsPause == 0 {
			v.addNew()
		}
	}
}

// addNew adds apps that have started to write since the last search, and shows all their lines.
func (v *logView) addNew() {
	names, _ := v.cli.loggedNames(v.patterns)
	if v.unnamed {
		names = v.cli.present(names)
	}
	for _, name := range names {
		known := slices.ContainsFunc(v.apps, func(a *loggedApp) bool { return a.name == name })
		if !known {
			v.apps = append(v.apps, &loggedApp{name: name, cursor: logfile.NewCursor(v.cli.places.Logs(name)), live: true})
		}
	}
}

// logLine is one line of --json.
type logLine struct {
	Name       string    `json:"name"`
	Time       time.Time `json:"time,omitzero"`
	Slot       *int      `json:"slot"` // null: a line of the master itself
	Generation int       `json:"generation"`
	PID        int       `json:"pid"`
	Stream     string    `json:"stream"`
	Line       string    `json:"line"`
	More       bool      `json:"more,omitempty"` // the next line of this pid and stream continues it
	Torn       bool      `json:"torn,omitempty"` // its beginning may be missing
}

func (v *logView) print(a *loggedApp, r logfile.Record) error {
	if v.flags.json {
		l := logLine{Name: a.name, Time: r.Time, Generation: r.Generation, PID: r.PID, Stream: r.Stream, Line: r.Text,
			More: r.More, Torn: r.Torn}
		if r.Slot >= 0 {
			l.Slot = &r.Slot
		}
		return json.NewEncoder(v.out).Encode(l)
	}
	if v.flags.time && !r.Time.IsZero() {
		v.out.WriteString(v.cli.paint(v.cli.colorOut, dim, r.Time.Local().Format("01-02 15:04:05.000")) + " ")
	}
	v.out.WriteString(v.prefix(a.name, r))
	if r.Torn {
		v.out.WriteString("…")
	}
	if v.terminal {
		r.Text = printable.Colored(strings.TrimSuffix(r.Text, "\r"))
	}
	v.out.WriteString(r.Text)
	return v.out.WriteByte('\n')
}

// prefix names the app and the slot of a line. Its bar is red for stderr.
func (v *logView) prefix(app string, r logfile.Record) string {
	if r.Slot < 0 {
		return v.cli.paint(v.cli.colorOut, dim, app+" │ ")
	}
	name := fmt.Sprintf("%s/%d ", app, r.Slot)
	if !v.cli.colorOut {
		return name + "│ "
	}
	bar := slotColors[r.Slot%len(slotColors)]
	name = v.cli.paint(true, bar, name)
	if r.Stream == logfile.Err {
		bar = red
	}
	return name + v.cli.paint(true, bar, "│ ")
}

// slotColors are the colours of slots that relevo run uses on a terminal.
var slotColors = []string{"36", "33", "32", "35", "34", "96", "93", "92"}
