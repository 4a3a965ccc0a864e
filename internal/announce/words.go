package announce

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"relevo/internal/phrase"
	"relevo/pool"
)

// Keys of log lines, the same everywhere.
const (
	keySlot   = "slot"
	keyWorker = "worker"
	keyGen    = "gen"
	keyPID    = "pid"
)

// line writes one line for one thing that happened.
func (a *Announcer) line(ctx context.Context, e pool.Event) {
	level, text := describe(e)
	if text == "" || !a.Log.Enabled(ctx, level) {
		return
	}
	if isOutcome(e) {
		ctx = Outcome(ctx)
	}
	attrs := []slog.Attr{}
	if e.Slot != nil {
		attrs = append(attrs, slog.Int(keySlot, *e.Slot))
	}
	if e.ID != "" {
		attrs = append(attrs, slog.String(keyWorker, e.ID))
	}
	if e.PID != 0 {
		attrs = append(attrs, slog.Int(keyPID, e.PID))
	}
	if e.Generation != 0 {
		attrs = append(attrs, slog.Int(keyGen, e.Generation))
	}
	a.Log.LogAttrs(ctx, level, text, append(attrs, details(e)...)...)
}

// details are the fields that only some kinds of events have.
func details(e pool.Event) (attrs []slog.Attr) {
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if e.Kind == pool.KindStarted || e.Kind == pool.KindCaptured {
		text("on", strings.Join(e.Addresses, " "))
	}
	if e.Kind == pool.KindRoll && e.Release != nil && e.FromRelease != nil && e.Release.SHA256 != e.FromRelease.SHA256 {
		text("release", ShortRelease(*e.Release))
		text("from", ShortRelease(*e.FromRelease))
	}
	text("by", e.How)
	text("signal", e.Signal)
	if e.Code != nil {
		attrs = append(attrs, slog.Int("code", *e.Code))
	}
	if e.AfterMS != nil {
		attrs = append(attrs, slog.Duration("after", time.Duration(*e.AfterMS)*time.Millisecond))
	}
	if e.DurationMS != nil {
		attrs = append(attrs, slog.Duration("took", time.Duration(*e.DurationMS)*time.Millisecond))
	}
	if e.Of != 0 {
		attrs = append(attrs, slog.String("done", fmt.Sprintf("%d/%d", e.Done, e.Of)))
	}
	text("reason", e.Reason)
	text("suspects", strings.Join(e.Workers, " "))
	text("hint", e.Hint)
	text("text", e.Text)
	text("data", beginning(e.Data))
	if len(e.Tail) > 0 {
		attrs = append(attrs, slog.String("output", strings.Join(e.Tail, " ⏎ ")))
	}
	return attrs
}

// loggedData is how much of an application message a log line shows, in bytes.
const loggedData = 1 << 10

func beginning(data []byte) string {
	if len(data) <= loggedData {
		return string(data)
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(string(data[:loggedData]), ""), len(data))
}

// describe gives an event its level and its words; no words, no line.
func describe(e pool.Event) (slog.Level, string) {
	switch e.Kind {
	case pool.KindDisconnect:
		if e.Reason == "" {
			return slog.LevelDebug, "worker disconnect"
		}
		return slog.LevelWarn, "worker channel closed: the worker breaks the protocol"
	case pool.KindExit:
		if e.Planned != nil && *e.Planned {
			return slog.LevelInfo, "worker exit"
		}
		return slog.LevelError, "worker died"
	case pool.KindRoll:
		return describeRoll(e)
	case pool.KindUnhealthy, pool.KindHealthy:
		return describeHealth(e)
	case pool.KindFork, pool.KindOnline, pool.KindListening, pool.KindCaptured, pool.KindDrained, pool.KindMessage,
		pool.KindStatus, pool.KindAdopted:
		return slog.LevelDebug, "worker " + string(e.Kind)
	case pool.KindReady, pool.KindDraining, pool.KindStopping, pool.KindRecycle:
		return slog.LevelInfo, "worker " + string(e.Kind)
	case pool.KindKilling, pool.KindAbandoned, pool.KindHung, pool.KindFlood:
		return slog.LevelWarn, "worker " + string(e.Kind)
	case pool.KindWrongLoad:
		return slog.LevelWarn, "the load of a worker cannot be used"
	}
	return describePool(e)
}

// describePool describes the events of the pool as a whole.
func describePool(e pool.Event) (slog.Level, string) {
	switch e.Kind {
	case pool.KindStarted:
		return slog.LevelInfo, "serving"
	case pool.KindStartFailed:
		return slog.LevelError, "start failed"
	case pool.KindRespawn:
		return slog.LevelWarn, "respawn"
	case pool.KindHealed:
		return slog.LevelWarn, "listener damaged"
	case pool.KindSuccession:
		return slog.LevelInfo, "continues with " + phrase.Count(e.Count, "worker") + " of the previous master"
	case pool.KindResize:
		return slog.LevelInfo, fmt.Sprintf("resized from %d to %s", e.From, phrase.Count(e.To, "worker"))
	case pool.KindSleep:
		return slog.LevelInfo, "asleep: no worker until a client comes"
	case pool.KindWake:
		return slog.LevelInfo, "awake: " + phrase.Count(e.To, "worker")
	case pool.KindStopped:
		return slog.LevelInfo, "stopped"
	case pool.KindLost:
		return slog.LevelWarn, phrase.Count(e.Count, "event") + " not logged: the log is too slow"
	}
	return slog.LevelWarn, string(e.Kind)
}

func describeRoll(e pool.Event) (slog.Level, string) {
	switch e.Step {
	case pool.StepBegan:
		return slog.LevelInfo, fmt.Sprintf("roll began: generation %d to %d", e.From, e.Generation)
	case pool.StepReverting:
		return slog.LevelError, "roll failed"
	case pool.StepEnded:
		if e.Result == "ok" {
			return slog.LevelInfo, "roll done"
		}
		return slog.LevelError, "roll ended: " + e.Result
	}
	return slog.LevelInfo, "roll " + string(e.Step)
}

func describeHealth(e pool.Event) (slog.Level, string) {
	what := "worker "
	if e.ID == "" {
		what = "health: "
	}
	if e.Kind == pool.KindHealthy {
		return slog.LevelInfo, what + "healthy again"
	}
	return slog.LevelWarn, what + string(e.Kind)
}

// ShortRelease is a release as people call it.
func ShortRelease(release pool.Info) string {
	if release.Version != "" {
		return release.Version
	}
	return phrase.Hash(release.SHA256)
}
