// Package explain turns what a master remembers of the last hours into plain sentences: how
// the app is, what happened, and what to do. It is pure: it sees a status and a list of events.
package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/pool"
	"relevo/pool/machine"
)

// Story is what there is to tell of an app.
type Story struct {
	App string `json:"app"`
	// Now says how the app is.
	Now []string `json:"now"`
	// Since is the begin of the time that is explained.
	Since    time.Time  `json:"since"`
	Happened []Sentence `json:"happened"`
	// Do says what a person may do. It is never empty.
	Do []string `json:"do"`
}

// Sentence is one thing that happened.
type Sentence struct {
	Time   time.Time `json:"time"`
	Text   string    `json:"text"`
	Output []string  `json:"output,omitempty"` // the last lines of the worker that it is about
}

// Tell tells what has happened since a moment.
func Tell(s control.Status, entries []pool.Entry, since time.Time) Story {
	story := Story{App: s.Name, Now: now(s), Since: since, Happened: []Sentence{}}
	var told []pool.Entry
	for _, e := range entries {
		last := e.Time
		if e.Last.After(last) {
			last = e.Last
		}
		if last.Before(since) {
			continue
		}
		if text := sentence(e); text != "" {
			told = append(told, e)
			story.Happened = append(story.Happened, Sentence{e.Time, text, e.Tail})
		}
	}
	story.Do = advice(s, told)
	return story
}

func now(s control.Status) (all []string) {
	serving := s.Serving()
	var addresses []string
	for _, l := range s.Listeners {
		addresses = append(addresses, l.Address)
	}
	text := fmt.Sprintf("%s is %s: %d of %s", s.Name, s.State, serving, serves(s.Slots))
	if !s.Asleep.IsZero() {
		text = s.Name + " is asleep: the next client has workers start. It will be served by"
	}
	text += fmt.Sprintf(" generation %d%s", s.Generation, release(s.Release))
	if len(addresses) > 0 {
		text += " on " + strings.Join(addresses, ", ")
	}
	all = append(all, text+".")
	if s.Rolling != nil {
		all = append(all, fmt.Sprintf("A roll to %s is under way.", named(s.Rolling)))
	}
	if c := s.Canary; c != nil {
		all = append(all, fmt.Sprintf("Its canary, worker %s in slot %d, is on probation until %s.", c.ID, c.Slot,
			c.Until.Format(time.TimeOnly)))
	}
	for _, w := range s.Workers {
		if w.State == string(machine.Backoff) {
			all = append(all, fmt.Sprintf("Slot %d has no worker%s; the next one starts at %s.", w.Slot, lastExit(w),
				w.Retry.Format(time.TimeOnly)))
		}
	}
	for _, warning := range s.Warnings {
		all = append(all, "Warning: "+stopped(warning))
	}
	return all
}

func serves(slots int) string {
	if slots == 1 {
		return "1 worker serves"
	}
	return phrase.Count(slots, "worker") + " serve"
}

func lastExit(w pool.Worker) string {
	if w.LastExit == nil {
		return ""
	}
	return ": the last one ended with " + w.LastExit.String()
}

// release names a release behind a generation.
func release(r *pool.Info) string {
	if r == nil {
		return ""
	}
	return " (" + named(r) + ")"
}

func named(r *pool.Info) string {
	name := "release " + phrase.Hash(r.SHA256)
	if r.Version != "" {
		name += ", version " + r.Version
	}
	return name
}

// stopped ends a text with a full stop.
func stopped(text string) string {
	if strings.HasSuffix(text, ".") || text == "" {
		return text
	}
	return text + "."
}

// because ends a sentence by a reason, if there is one.
func because(reason string) string {
	if reason == "" {
		return "."
	}
	return ": " + stopped(reason)
}

// advice says what may be done about what was told, each thing once.
func advice(s control.Status, told []pool.Entry) (all []string) {
	say := func(text string) {
		if text = strings.TrimSpace(text); text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	for _, e := range told {
		say(e.Hint)
		switch {
		case e.Kind == pool.KindExit && e.Blame != machine.BlameMaster:
			say("relevo logs " + s.Name + " shows what the workers that died had printed.")
		case e.Kind == pool.KindHealed:
			say("Look at what the program does with its listening sockets: it must not close, shut down or reconfigure them.")
		}
	}
	if last := s.LastRoll; last != nil && last.Result != machine.OK {
		say("Mend the release and run relevo reload " + s.Name + "; relevo releases " + s.Name +
			" lists the releases to go back to.")
	}
	for _, l := range s.Listeners {
		if q := l.Queue; q != nil && q.Waiting != nil && q.Limit != nil && *q.Waiting > *q.Limit/2 && *q.Limit > 0 {
			say(fmt.Sprintf("The queue at %s holds %s, and at most %d: relevo scale %s +1 adds a worker.", l.Address,
				phrase.Count(*q.Waiting, "client"), *q.Limit, s.Name))
		}
	}
	for _, text := range aboutWarnings(s, len(all) > 0) {
		say(text)
	}
	if len(all) == 0 {
		say("Nothing has to be done.")
	}
	return all
}

// aboutWarnings says what may be done about the warnings of a status.
func aboutWarnings(s control.Status, advised bool) (all []string) {
	for _, warning := range s.Warnings {
		if strings.Contains(warning, phrase.KnownBad) {
			all = append(all, fmt.Sprintf("Put a better build in its place and run relevo reload %[1]s; "+
				"relevo reload %[1]s --force tries the same bytes again.", s.Name))
		}
	}
	if len(s.Warnings) > 0 && len(all) == 0 && !advised {
		all = append(all, "Look into the warning: relevo doctor "+s.Name+" examines what the app needs.")
	}
	return all
}
