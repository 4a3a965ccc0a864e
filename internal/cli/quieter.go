package cli

import (
	"context"
	"log/slog"

	"relevo/internal/announce"
	"relevo/internal/config"
)

// quieter removes from the log what the loop prints in one line of its own, except at debug level.
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

// Handle drops the record of a failed roll: the loop prints the failure with its reason and the
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
