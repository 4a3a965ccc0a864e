package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"

	"relevo/internal/config"
	"relevo/internal/journal"
)

// masterLog is the log of an app's master. Where stderr is systemd's journal, each line has the
// app's name as a field, and the slot, the generation and the worker that the line is about.
func (c *cli) masterLog(app config.App, queue *logQueue) (*slog.Logger, error) {
	if to := journal.Of(c.getenv, journal.Socket, c.stderr); to != nil {
		return c.journalLog(app, queue, to)
	}
	return c.logger(queue)
}

func (c *cli) journalLog(app config.App, queue *logQueue, to *journal.Journal) (*slog.Logger, error) {
	line := &journalLine{to: to, queue: queue}
	log, err := c.logger(&line.text)
	if err != nil {
		return nil, err
	}
	fields := []journal.Field{
		{Name: "SYSLOG_IDENTIFIER", Value: "relevo"},
		{Name: "RELEVO_APP", Value: app.Name},
		{Name: "RELEVO_STREAM", Value: "log"},
	}
	return slog.New(journalHandler{Handler: log.Handler(), line: line, fields: journal.Encode(fields...)}), nil
}

// journalLine is where the handlers of a log write the text of a line.
type journalLine struct {
	to    *journal.Journal
	queue *logQueue

	mu   sync.Mutex
	text bytes.Buffer
}

// journalHandler queues lines with fields for the journal.
type journalHandler struct {
	slog.Handler // writes the text
	line         *journalLine
	fields       []byte // encoded
	grouped      bool   // the attributes of a group have other meanings
}

// Handle writes the text by the wrapped handler, and adds the fields.
func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	fields := append(bytes.Clone(h.fields), journal.Encode(journal.Field{Name: "PRIORITY", Value: priority(r.Level)})...)
	if !h.grouped {
		r.Attrs(func(a slog.Attr) bool {
			fields = append(fields, fieldOf(a)...)
			return true
		})
	}
	l := h.line
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	return l.queue.put(&queuedLine{text: bytes.Clone(l.text.Bytes()), fields: fields, journal: l.to})
}

// WithAttrs keeps the fields of attributes that all lines of a logger have.
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	if !h.grouped {
		h.fields = bytes.Clone(h.fields)
		for _, a := range attrs {
			h.fields = append(h.fields, fieldOf(a)...)
		}
	}
	return h
}

// WithGroup makes the handler ignore later attributes, because within a group their names mean
// something else.
func (h journalHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	h.grouped = h.grouped || name != ""
	return h
}

// fieldOf returns the field for an attribute that names a worker, the same as in the lines of
// workers; empty for other attributes.
func fieldOf(a slog.Attr) []byte {
	name := map[string]string{"slot": "RELEVO_SLOT", "gen": "RELEVO_GENERATION", "worker": "RELEVO_WORKER",
		"pid": "RELEVO_PID"}[a.Key]
	if name == "" {
		return nil
	}
	return journal.Encode(journal.Field{Name: name, Value: a.Value.Resolve().String()})
}

// priority returns the priority of syslog(3) for a level.
func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return strconv.Itoa(3)
	case level >= slog.LevelWarn:
		return strconv.Itoa(4)
	case level >= slog.LevelInfo:
		return strconv.Itoa(6)
	}
	return strconv.Itoa(7)
}

// queuedLine is a line of the log.
type queuedLine struct {
	text    []byte
	fields  []byte           // encoded
	journal *journal.Journal // nil: the line goes where all lines go
}

func (l *queuedLine) size() int { return len(l.text) + len(l.fields) }

// write sends the line to its journal. If it has none, or the journal does not take the line, the
// text is written.
func (l *queuedLine) write(to io.Writer) error {
	if l.journal != nil {
		message := journal.Field{Name: "MESSAGE", Value: string(bytes.TrimSuffix(l.text, []byte("\n")))}
		if l.journal.Send(l.fields, journal.Encode(message)) == nil {
			return nil
		}
	}
	_, err := to.Write(l.text)
	return err
}
