package ask

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/printable"
)

// Target is a worker, or a whole pool, as it can be reached.
type Target struct {
	Address string // for the host of a request and for commands; empty: it has none
	// Dial connects; nil: only commands are run.
	Dial func(context.Context) (net.Conn, error)
	// Accepted waits until a connection is accepted; nil: to be connected is enough.
	Accepted func(context.Context) error
	PID      int // 0: a whole pool, for which no command is run
	Slot     int
	Command  Command
}

// Answer is what came of a question.
type Answer struct {
	Fault  string // what is wrong, with the answer; empty: it is well
	Status int    // of an HTTP answer
	Took   time.Duration
}

// Ask asks all that a configuration wants to know. The answer takes as long as its
// timeout says at most, or until ctx ends.
func Ask(ctx context.Context, h config.Health, t Target) (a Answer) {
	ctx, cancel := context.WithTimeout(ctx, h.Patience())
	defer cancel()
	began := time.Now()
	checks := []struct {
		wanted bool
		name   string
		ask    func() (int, error)
	}{
		{h.HTTP != "" && t.Dial != nil, "GET " + h.HTTP, func() (int, error) { return get(ctx, h, t) }},
		{h.TCP && t.Dial != nil, "tcp", func() (int, error) { return 0, connect(ctx, t) }},
		{h.Command != "" && t.PID != 0, "command", func() (int, error) { return 0, t.run(ctx, h.Command) }},
	}
	for _, c := range checks {
		if !c.wanted {
			continue
		}
		status, err := c.ask()
		if status != 0 {
			a.Status = status
		}
		if err != nil {
			a.Fault = c.name + ": " + words(ctx, h, err)
			if status != 0 {
				a.Took = time.Since(began)
			}
			return a
		}
		a.Took = time.Since(began)
	}
	return a
}

// Asks says whether there is anything to ask of a target.
func (t Target) Asks(h config.Health) bool {
	return t.Dial != nil && (h.HTTP != "" || h.TCP) || t.PID != 0 && h.Command != ""
}

func connect(ctx context.Context, t Target) error {
	if t.Accepted != nil {
		return t.Accepted(ctx)
	}
	conn, err := t.Dial(ctx)
	if err == nil {
		conn.Close()
	}
	return err
}

// words are what a person has to know of an error.
func words(ctx context.Context, h config.Health, err error) string {
	var timeout interface{ Timeout() bool }
	late := errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, context.DeadlineExceeded)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case late && ctx.Err() != nil:
		return "no answer within " + config.DurationText(h.Patience())
	}
	return printable.Line(err.Error())
}

// beginning is the first line of a text that has something in it, in quotation marks.
func beginning(text []byte) string {
	const most = 80
	for line := range strings.Lines(printable.Text(strings.ToValidUTF8(string(text), ""))) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if runes := []rune(line); len(runes) > most {
			line = string(runes[:most]) + "…"
		}
		return fmt.Sprintf("%q", line)
	}
	return ""
}
