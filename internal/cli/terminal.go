package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"relevo/internal/printable"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// useColor follows no-color.org and the convention of FORCE_COLOR, for each stream separately.
func useColor(f *os.File, getenv func(string) string) bool {
	switch {
	case getenv("NO_COLOR") != "" || getenv("TERM") == "dumb":
		return false
	case getenv("FORCE_COLOR") != "":
		return true
	}
	return isTerminal(f)
}

// SGR codes (ECMA-48).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (c *cli) paint(on bool, code, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// logger writes the log: through tint on a terminal, as plain text or JSON elsewhere.
func (c *cli) logger(to io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, usage(fmt.Errorf("cannot use %q as a log level: debug, info, warn and error exist", c.logLevel))
	}
	plain := &slog.HandlerOptions{Level: level, ReplaceAttr: printableAttr}
	switch c.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(to, plain)), nil
	case "text":
		return slog.New(slog.NewTextHandler(to, plain)), nil
	case "auto":
		if isTerminal(c.stderr) {
			return slog.New(tint.NewTextHandler(to, &tint.Options{
				Level: level, TimeFormat: "15:04:05.000", NoColor: !c.color, ReplaceAttr: printableAttr,
			})), nil
		}
		return slog.New(slog.NewTextHandler(to, plain)), nil
	}
	return nil, usage(fmt.Errorf("cannot use %q as a log format: auto, text and json exist", c.logFormat))
}

// printableAttr removes control characters of a log line that a terminal would act on.
func printableAttr(_ []string, attr slog.Attr) slog.Attr {
	switch value := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(printable.Text(value))
	case error:
		if text := value.Error(); printable.Text(text) != text {
			attr.Value = slog.StringValue(printable.Text(text))
		}
	case json.RawMessage:
		attr.Value = slog.AnyValue(json.RawMessage(printable.JSON(value)))
	}
	return attr
}
