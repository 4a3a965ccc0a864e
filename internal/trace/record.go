package trace

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
)

// Recorder makes traces of the events of one app. It has no clock: all its times come from events.
type Recorder struct {
	App    string
	Since  time.Time // when the app's first master started: numbers of generations begin there
	Parent Parent    // of the span of each roll

	began      time.Time // when the present roll began; zero: that event was not received
	generation int       // of the present roll; 0: there is none
	reverting  bool
	canary     int // the slot of the canary that has passed; -1: none has
	open       map[int]*step
	done       []step
	moments    []Moment
}

// step is the part of a roll in one slot.
type step struct {
	Span
	slot int
	back bool // it puts the old generation back
}

// Hear takes the next event. If the event ends a roll, it returns the trace of that roll.
func (r *Recorder) Hear(e pool.Event) (t Trace, ended bool) {
	if e.Kind == pool.KindRoll {
		return r.hearRoll(e)
	}
	if r.generation == 0 || e.Slot == nil {
		return t, false
	}
	s := r.open[*e.Slot]
	switch {
	case e.Kind == pool.KindFork:
		if e.Cause.OfRoll() && (e.Generation == r.generation) != r.reverting {
			r.start(*e.Slot, e.Time)
		}
	case s == nil || s.back != r.reverting || (e.Generation == r.generation) == s.back:
	case e.Kind == pool.KindReady:
		s.tell(e.Time, "ready", Attribute{"relevo.ready_by", e.How})
	case e.Kind == pool.KindExit:
		s.tell(e.Time, "exit", exit(e)...)
	}
	return t, false
}

func exit(e pool.Event) []Attribute {
	if e.Signal != "" {
		return []Attribute{{"relevo.exit.signal", e.Signal}}
	}
	if e.Code != nil {
		return []Attribute{{"process.exit.code", *e.Code}}
	}
	return nil
}

func (r *Recorder) hearRoll(e pool.Event) (t Trace, ended bool) {
	if e.Step == pool.StepBegan || r.generation == 0 {
		r.begin(e)
	}
	if e.Generation != r.generation {
		return t, false // this roll never began
	}
	switch e.Step {
	case pool.StepProbation:
		r.at(e).tell(e.Time, "probation", probation(e)...)
	case pool.StepCanary:
		r.canary = slot(e)
		r.end(e, "canary")
	case pool.StepReplaced:
		if slot(e) != r.canary {
			r.end(e, "slot "+strconv.Itoa(slot(e)))
		}
	case pool.StepReverting:
		r.revert(e)
	case pool.StepReverted:
		r.end(e, "revert slot "+strconv.Itoa(slot(e)))
	case pool.StepSuperseded:
		if r.began.IsZero() {
			r.generation = 0
			return t, false
		}
		return r.Trace(pool.RollResult{Generation: e.Generation, Result: superseded, Ended: e.Time}), true
	case pool.StepEnded:
		return r.Trace(result(e)), true
	}
	return t, false
}

// superseded is the result of a roll that ended because a newer one began.
const superseded machine.Result = "superseded"

func probation(e pool.Event) (all []Attribute) {
	if e.AfterMS != nil {
		all = append(all, Attribute{"relevo.probation_ms", *e.AfterMS})
	}
	if e.Share != "" {
		all = append(all, Attribute{"relevo.share", e.Share})
	}
	return all
}

// result reads the result of a roll from the event of its end.
func result(e pool.Event) pool.RollResult {
	r := pool.RollResult{Generation: e.Generation, From: e.From, Result: machine.Result(e.Result), Reason: e.Reason,
		Blame: e.Blame, Slot: e.Slot, Worker: e.ID, Replaced: e.Done, Release: e.Release, FromRelease: e.FromRelease,
		Ended: e.Time, Started: e.Time}
	if e.DurationMS != nil {
		r.Started = e.Time.Add(-time.Duration(*e.DurationMS) * time.Millisecond)
	}
	return r
}

func (r *Recorder) begin(e pool.Event) {
	*r = Recorder{App: r.App, Since: r.Since, Parent: r.Parent, generation: e.Generation, canary: -1,
		open: map[int]*step{}}
	if e.Step == pool.StepBegan {
		r.began = e.Time
	}
}

func slot(e pool.Event) int {
	if e.Slot == nil {
		return -1
	}
	return *e.Slot
}

func (r *Recorder) start(slot int, at time.Time) *step {
	s := &step{slot: slot, back: r.reverting, Span: Span{Start: at}}
	r.open[slot] = s
	return s
}

// at returns the step in the slot of an event. If its first event was not received, the step
// begins with this one.
func (r *Recorder) at(e pool.Event) *step {
	if s := r.open[slot(e)]; s != nil && s.back == r.reverting {
		return s
	}
	return r.start(slot(e), e.Time)
}

func (s *step) tell(at time.Time, name string, attributes ...Attribute) {
	s.Moments = append(s.Moments, Moment{at, name, attributes})
}

// end ends the step in the slot of an event.
func (r *Recorder) end(e pool.Event, name string) {
	s := r.at(e)
	s.Name, s.OK = name, true
	r.close(s, e.Time, e.ID)
}

func (r *Recorder) close(s *step, at time.Time, worker string) {
	if s.End = at; s.Name == "" {
		s.Name = r.unfinished(s)
	}
	s.Attributes = append(s.Attributes, Attribute{"relevo.slot", s.slot})
	if worker != "" {
		s.Attributes = append(s.Attributes, Attribute{"relevo.worker", worker})
	}
	delete(r.open, s.slot)
	r.done = append(r.done, *s)
}

// unfinished is the name of a step that did not succeed. Until the canary has passed, it is the canary.
func (r *Recorder) unfinished(s *step) string {
	switch {
	case s.back:
		return "revert slot " + strconv.Itoa(s.slot)
	case r.canary < 0:
		return "canary"
	}
	return "slot " + strconv.Itoa(s.slot)
}

// revert ends all open steps, because one has failed or the roll was aborted.
func (r *Recorder) revert(e pool.Event) {
	if e.Slot != nil {
		s := r.at(e)
		s.Fault = cmp.Or(e.Reason, "failed")
		r.close(s, e.Time, e.ID)
	}
	r.closeAll(e.Time)
	r.reverting = true
	r.moments = append(r.moments, Moment{e.Time, "reverting", []Attribute{{"relevo.reason", e.Reason}}})
}

func (r *Recorder) closeAll(at time.Time) {
	for len(r.open) > 0 {
		first := r.open[slices.Min(slices.Collect(maps.Keys(r.open)))]
		r.close(first, at, "")
	}
}

// Trace ends the present roll with a result, which need not come from an event, and returns its trace.
func (r *Recorder) Trace(result pool.RollResult) Trace {
	if r.generation != result.Generation {
		r.begin(pool.Event{Generation: result.Generation})
	}
	if result.Started.IsZero() {
		result.Started = r.began
	}
	automatic := result.Automatic || r.began.IsZero() && r.reverting && result.Result != machine.OK
	r.closeAll(result.Ended)
	roll := r.roll(result, automatic)
	t := Trace{ID: roll.id, Spans: []Span{roll.Span}, Generation: result.Generation}
	if r.Parent.there() {
		t.ID, t.State, t.Spans[0].Parent = r.Parent.Trace, r.Parent.State, r.Parent.Span
	}
	for i, s := range r.done {
		s.Parent = roll.ID
		s.ID = r.number(roll, i)
		if s.Start.Before(result.Started) || s.Start.After(s.End) {
			s.Start = result.Started
		}
		t.Spans = append(t.Spans, s.Span)
	}
	r.begin(pool.Event{})
	return t
}

// identified is the span of a roll, and the ID of its trace if the roll has no parent.
type identified struct {
	Span
	id [16]byte
}

// roll makes the first span. Its IDs follow from the app and the roll, so that every process that
// reports the roll uses the same ones.
func (r *Recorder) roll(result pool.RollResult, automatic bool) identified {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %t", r.App, r.Since.UnixNano(), result.Generation, automatic))
	s := identified{id: [16]byte(sum[:16]), Span: Span{ID: [8]byte(sum[16:24]), Name: "roll " + r.App,
		Start: result.Started, End: result.Ended, Moments: r.moments}}
	s.Attributes = []Attribute{
		{"deployment.id", hex.EncodeToString(sum[:8])}, {"deployment.name", r.App},
		{"relevo.result", string(result.Result)}, {"relevo.generation", result.Generation},
		{"relevo.replaced", result.Replaced},
	}
	switch {
	case result.Result == machine.OK:
		s.OK = true
		s.add("deployment.status", "succeeded")
	case result.Result != superseded:
		s.Fault = cmp.Or(result.Reason, string(result.Result))
		s.add("deployment.status", "failed")
	}
	if result.From != 0 {
		s.add("relevo.from_generation", result.From)
	}
	if automatic {
		s.add("relevo.automatic", true)
	}
	s.release("relevo.release", result.Release)
	s.release("relevo.from_release", result.FromRelease)
	return s
}

func (s *Span) add(key string, value any) { s.Attributes = append(s.Attributes, Attribute{key, value}) }

func (s *Span) release(key string, info *pool.Info) {
	if info == nil {
		return
	}
	s.add(key, info.SHA256)
	if info.Version != "" {
		s.add(key+".version", info.Version)
	}
}

// number is the ID of a step's span. It follows from the step's name and not from its place in the
// roll, because another process may have missed earlier steps.
func (r *Recorder) number(roll identified, i int) [8]byte {
	same := 0
	for _, s := range r.done[:i] {
		if s.Name == r.done[i].Name {
			same++
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s %d", roll.id, r.done[i].Name, same))
	return [8]byte(sum[:8])
}
