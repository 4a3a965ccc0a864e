package announce

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"relevo/pool"
	"relevo/pool/machine"
)

// Announcer follows the pool's events. Only Log is required; it is safe for concurrent use.
type Announcer struct {
	Log      *slog.Logger
	Warnings Warnings
	Damages  Damages
}

// Follow logs all events until there are no more. After each event it calls react.
func (a *Announcer) Follow(ctx context.Context, events <-chan pool.Event, react func(pool.Event)) {
	var lost lostEvents
	for e := range events {
		if e.Kind == pool.KindLost && !lost.due(&e) {
			continue
		}
		a.line(ctx, e)
		a.shortage(e)
		switch e.Kind {
		case pool.KindFork:
			a.Damages.Forked(e.ID)
		case pool.KindExit:
			a.Damages.Exited(e.ID, e.Time)
		}
		react(e)
	}
}

// shortage lets relevo status say why a worker could not be started, until one gets ready.
func (a *Announcer) shortage(e pool.Event) {
	switch {
	case e.Kind == pool.KindReady:
		a.Warnings.Set(ShortageWarning, "")
	case e.Kind == pool.KindExit && e.Blame == machine.BlameMaster:
		text := "a worker could not be started: " + e.Reason
		if e.Hint != "" {
			text += "; " + e.Hint
		}
		a.Warnings.Set(ShortageWarning, text)
	}
}

// Forgive removes the warnings about damage that a release has done, after its last worker
// has ended.
func (a *Announcer) Forgive(r pool.RollResult) {
	if r.Result != machine.OK || r.Release == nil || r.FromRelease == nil || r.Release.SHA256 == r.FromRelease.SHA256 {
		return
	}
	for _, listener := range a.Damages.Before(r.Started) {
		a.Warnings.Set(listener, "")
	}
}

// StatusLine is the line of systemctl status.
func StatusLine(status pool.Status, addresses []string) string {
	serving := status.Serving()
	if !status.Asleep.IsZero() {
		return fmt.Sprintf("asleep: generation %d serves on %s when a client comes", status.Generation,
			strings.Join(addresses, ", "))
	}
	text := fmt.Sprintf("%d of %d workers serve generation %d on %s",
		serving, status.Slots, status.Generation, strings.Join(addresses, ", "))
	if last := status.LastRoll; last != nil && last.Error() != nil {
		reason, _, _ := strings.Cut(last.Error().Error(), "\n")
		text += "; the last reload failed: " + reason
	}
	return text
}
