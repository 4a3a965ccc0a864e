package feed

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"relevo/internal/logfile"
	"relevo/internal/monit"
	"relevo/internal/printable"
)

const (
	keptLines = 500 // of the log, and of the events
	atOnce    = 5000
)

// log reads the log files of one app.
type log struct {
	app, dir string
	cursor   *logfile.Cursor
	lines    []monit.Line
	joiner   logfile.Joiner
}

// read returns the newest lines, or why there are none.
func (l *log) read() ([]monit.Line, string) {
	if l.cursor == nil {
		if _, err := os.Stat(l.dir); errors.Is(err, fs.ErrNotExist) {
			return nil, `no log files: output = "files" in relevo.toml writes them; e shows the events`
		}
		last, cursor, err := logfile.Tail(l.dir, keptLines, func(logfile.Record) bool { return true })
		if err != nil {
			return nil, printable.Line(err.Error())
		}
		l.cursor = cursor
		for _, r := range last {
			l.add(r)
		}
	}
	for range atOnce { // a worker may write faster than this reads
		r, err := l.cursor.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return l.newest(), printable.Line(err.Error())
		}
		l.add(r)
	}
	return l.newest(), ""
}

// newest is a copy: a Frame is not changed any more.
func (l *log) newest() []monit.Line { return slices.Clone(l.lines) }

func (l *log) add(r logfile.Record) {
	r, whole := l.joiner.Join(r)
	if !whole {
		return
	}
	text := r.Text[:min(len(r.Text), longest)]
	l.lines = append(l.lines, monit.Line{Time: r.Time, Slot: r.Slot, Text: printable.Line(strings.TrimSuffix(text, "\r")),
		Bad: r.Stream == logfile.Err})
	if len(l.lines) > keptLines {
		l.lines = slices.Delete(l.lines, 0, len(l.lines)-keptLines)
	}
}

// longest is how much of a line is kept, in bytes: more than a terminal is wide.
const longest = 1 << 10

func (l *log) close() {
	if l != nil && l.cursor != nil {
		l.cursor.Close()
	}
}
