package machine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The words of the scenario files: parseEvent reads the line of an event, wordsOf writes the line of
// an effect.

// epoch is the moment that scenario files call 0s.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Sub(epoch).String()
}

// parseEvent reads "exited w3: exit status 1" and the like. "crashed" is an exit that may be the
// program's fault, "unstarted" one that is the master's fault, and "signalled" one by a signal that
// relevo was asked to send.
func parseEvent(line string) (Event, error) {
	line, reason, _ := strings.Cut(line, ": ")
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "start":
		var e Start
		_, err := fmt.Sscanf(rest, "%d gen %d", &e.Workers, &e.Generation)
		return e, err
	case "roll":
		var e Roll
		_, err := fmt.Sscanf(rest, "gen %d", &e.Generation)
		return e, err
	case "resize":
		number, reason, _ := strings.Cut(rest, " for ")
		n, err := strconv.Atoi(number)
		return Resize{Workers: n, Reason: reason}, err
	case "sleep":
		return Sleep{Reason: reason}, nil
	case "wake":
		n, err := strconv.Atoi(rest)
		return Wake{Workers: n, Reason: reason}, err
	case "configure":
		o, err := parseOptions(strings.Fields(rest))
		return Configure{o}, err
	case "tick":
		return Tick{}, nil
	case "promote":
		return Promote{}, nil
	case "abort":
		return Abort{Reason: reason}, nil
	case "halt":
		return Halt{}, nil
	case "force":
		return Force{}, nil
	}
	return parseWorkerEvent(verb, rest, reason)
}

func parseWorkerEvent(verb, rest, reason string) (Event, error) {
	w, err := strconv.Atoi(strings.TrimPrefix(rest, "w"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the worker of %q: %w", verb, err)
	}
	switch verb {
	case "ready":
		return Ready{w}, nil
	case "hello":
		return Hello{Worker: w, Pong: reason == "pong"}, nil
	case "alive":
		return Alive{w}, nil
	case "hung":
		return Hung{Worker: w, Reason: reason}, nil
	case "unhealthy":
		return Unhealthy{Worker: w, Reason: reason}, nil
	case "recycle":
		return Recycle{Worker: w, Reason: reason}, nil
	case "crashed":
		return Exited{Worker: w, Reason: reason, Blame: BlameProgram}, nil
	case "unstarted":
		return Exited{Worker: w, Reason: reason, Blame: BlameMaster}, nil
	case "unseen":
		return Unseen{Worker: w, Reason: reason}, nil
	case "leaving":
		return Leaving{w}, nil
	case "drained":
		return Drained{w}, nil
	case "signalled":
		return Exited{Worker: w, Reason: reason, Signalled: true}, nil
	case "exited":
		return Exited{Worker: w, Reason: reason}, nil
	}
	return nil, fmt.Errorf("cannot read event %q", verb)
}

func parseOptions(fields []string) (o Options, err error) {
	times := map[string]*time.Duration{
		"canary": &o.Canary, "ready": &o.ReadyTimeout, "drain": &o.DrainTimeout, "grace": &o.StopGrace,
		"kill": &o.KillTimeout, "backoff-min": &o.BackoffMin, "backoff-max": &o.BackoffMax,
		"young": &o.CrashWindow, "lifetime": &o.MaxLifetime, "watchdog": &o.Watchdog,
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		switch d := times[name]; {
		case name == "surge":
			o.Surge, err = strconv.Atoi(value)
		case name == "jitter":
			o.LifetimeJitter, err = strconv.ParseFloat(value, 64)
		case d != nil:
			*d, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("cannot read option %q", f)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

func wordsOf(e Effect) string {
	switch e := e.(type) {
	case Spawn:
		canary := map[bool]string{true: " canary", false: ""}[e.Canary]
		return fmt.Sprintf("spawn w%d slot %d gen %d", e.Worker, e.Slot, e.Generation) + canary
	case Admit:
		return fmt.Sprintf("admit w%d", e.Worker)
	case OnProbation:
		return fmt.Sprintf("on probation gen %d slot %d w%d until %s", e.Generation, e.Slot, e.Worker, since(e.Until))
	case Drain:
		return fmt.Sprintf("drain w%d until %s", e.Worker, since(e.Deadline))
	case Terminate:
		return fmt.Sprintf("terminate w%d", e.Worker)
	case Kill:
		return fmt.Sprintf("kill w%d", e.Worker)
	case Moved:
		return fmt.Sprintf("moved w%d slot %d gen %d %s → %s", e.Worker, e.Slot, e.Generation, e.From, e.To) +
			because(e.Reason)
	case Respawning:
		return fmt.Sprintf("respawning slot %d after %s, retries %d", e.Slot, e.After, e.Retries) + because(e.Reason)
	case Booted:
		return "booted " + map[bool]string{true: "ok", false: "failed"}[e.OK] + failed(e.Worker) + blaming(e.Blame) +
			because(e.Reason)
	case RollBegan:
		return fmt.Sprintf("roll began gen %d → %d", e.From, e.Generation)
	case RollStep:
		way := map[bool]string{true: " reverting", false: ""}[e.Reverting]
		return fmt.Sprintf("roll step gen %d slot %d w%d, %d of %d", e.Generation, e.Slot, e.Worker, e.Done, e.Of) + way
	case CanaryPassed:
		return fmt.Sprintf("canary passed gen %d slot %d w%d", e.Generation, e.Slot, e.Worker)
	case RollReverting:
		return fmt.Sprintf("roll reverting gen %d → %d slot %d w%d", e.Generation, e.To, e.Slot, e.Worker) +
			blaming(e.Blame) + because(e.Reason)
	case RollEnded:
		return wordsOfEnd(e)
	case RollSuperseded:
		return fmt.Sprintf("roll superseded gen %d by %d", e.Generation, e.By)
	case Resized:
		return fmt.Sprintf("resized %d → %d", e.From, e.To) + because(e.Reason)
	case FellAsleep:
		return fmt.Sprintf("fell asleep, %d workers", e.Workers) + because(e.Reason)
	case Woke:
		return fmt.Sprintf("woke, %d workers", e.Workers) + because(e.Reason)
	case Recycling:
		return fmt.Sprintf("recycling w%d slot %d", e.Worker, e.Slot) + because(e.Reason)
	case Ping:
		return fmt.Sprintf("ping w%d", e.Worker)
	case Hangs:
		return fmt.Sprintf("hangs w%d slot %d", e.Worker, e.Slot) + because(e.Reason)
	case Abandoned:
		return fmt.Sprintf("abandoned w%d slot %d", e.Worker, e.Slot)
	case Ended:
		return "ended"
	}
	panic(fmt.Sprintf("no words for %T", e))
}

func wordsOfEnd(e RollEnded) string {
	s := fmt.Sprintf("roll ended gen %d %s", e.Generation, e.Result)
	if e.Worker != 0 {
		s += fmt.Sprintf(" slot %d w%d", e.Slot, e.Worker)
	}
	if len(e.Stuck) > 0 {
		s += fmt.Sprintf(" stuck %v", e.Stuck)
	}
	return s + blaming(e.Blame) + because(e.Reason)
}

// blaming names who is to blame, and is empty for the program, which is to blame in most stories.
func blaming(b Blame) string {
	switch b {
	case BlameMaster:
		return " (the master's fault)"
	case BlameRequest:
		return " (by request)"
	}
	return ""
}

func failed(worker int) string {
	if worker == 0 {
		return ""
	}
	return fmt.Sprintf(", failed w%d", worker)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// wordsOfView writes what a user would see, and when the machine wants to be woken.
func wordsOfView(m *Machine) []string {
	v := m.View()
	head := fmt.Sprintf("pool %s gen %d slots %d next %s", v.Phase, v.Generation, v.Slots, since(m.Next()))
	if !v.Asleep.IsZero() {
		head += " asleep since " + since(v.Asleep)
	}
	if v.Rolling != 0 {
		head += fmt.Sprintf(" rolling %d", v.Rolling)
	}
	if v.Pending != 0 {
		head += fmt.Sprintf(" pending %d", v.Pending)
	}
	if p := v.Probation; p != nil {
		head += fmt.Sprintf(" probation of w%d in slot %d until %s", p.Worker, p.Slot, since(p.Until))
	}
	if v.Fallback != 0 {
		head += fmt.Sprintf(" fallback %d", v.Fallback)
	}
	lines := []string{head}
	for _, r := range v.Rows {
		line := fmt.Sprintf("  slot %d gen %d %s", r.Slot, r.Generation, r.State)
		if r.Worker != 0 {
			line = fmt.Sprintf("  slot %d w%d gen %d %s", r.Slot, r.Worker, r.Generation, r.State)
		}
		if !r.Retry.IsZero() {
			line += " until " + since(r.Retry)
		}
		lines = append(lines, line)
	}
	return lines
}
