package announce

import (
	"context"
	"log/slog"

	"relevo/pool"
	"relevo/pool/machine"
)

// outcome is the key of a context for log lines about a start, a roll or a reload that has
// failed.
type outcome struct{}

// Outcome returns a context that marks log lines: they say that a start, a roll or a reload
// was refused or has failed. A program that shows such failures in another way can leave
// these lines out.
func Outcome(ctx context.Context) context.Context { return context.WithValue(ctx, outcome{}, true) }

// IsOutcome says whether the context that a slog.Handler gets is one of Outcome's.
func IsOutcome(ctx context.Context) bool { return ctx.Value(outcome{}) != nil }

// Refused logs an error because of which a start, a roll or a reload did not begin.
func Refused(log *slog.Logger, message string, attrs ...any) {
	log.ErrorContext(Outcome(context.Background()), message, attrs...)
}

// isOutcome says whether an event is the bad end of a start or of a roll.
func isOutcome(e pool.Event) bool {
	switch e.Kind {
	case pool.KindStartFailed:
		return true
	case pool.KindRoll:
		return e.Step == pool.StepReverting || e.Step == pool.StepEnded && e.Result != string(machine.OK)
	}
	return false
}
