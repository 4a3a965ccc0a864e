package cli

import (
	"context"
	"log/slog"

	"relevo/internal/announce"
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

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

// Handle leaves out how a roll ended badly: the loop tells that with the reason and the
// last output.
func (h atLeast) Handle(ctx context.Context, r slog.Record) error {
	if announce.IsOutcome(ctx) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
