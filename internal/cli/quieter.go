package cli

import (
	"context"
	"log/slog"
	"strings"

	"relevo/internal/config"
)

// quieter keeps what the loop tells in one line out of the log, unless somebody
// wants to see it.
func quieter(log *slog.Logger, app config.App) *slog.Logger {
	if app.LogLevel < slog.LevelInfo {
		return log
	}
	return slog.New(atLeast{log.Handler(), slog.LevelWarn})
}

// toldOtherwise are the beginnings of what the loop tells with the reason and the
// last output.
var toldOtherwise = []string{"roll failed", "roll ended: ", "start failed", "roll refused: ", "reload refused: "}

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}
func (h atLeast) Handle(ctx context.Context, r slog.Record) error {
	for _, told := range toldOtherwise {
		if strings.HasPrefix(r.Message, told) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}
func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
