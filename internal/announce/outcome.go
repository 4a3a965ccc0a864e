package announce

import (
	"context"
	"log/slog"

	"relevo/pool"
	"relevo/pool/machine"
)

// outcome is the key of a context whose log line tells how a start, a roll or a reload ended
// that did not end well.
type outcome struct{}

// Outcome marks the log lines that are written with the context: they tell that a start, a
// roll or a reload was refused or has failed. A reader of the log that is told of that in
// another way leaves them out.
func Outcome(ctx context.Context) context.Context { return context.WithValue(ctx, outcome{}, true) }

// IsOutcome says whether a line is such a one, by the context that a slog.Handler gets.
func IsOutcome(ctx context.Context) bool { return ctx.Value(outcome{}) != nil }

// Refused writes an error that keeps a start, a roll or a reload from being.
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
