package decide

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRandomAgenda: whatever arrives in whatever order, one work and one end are under way at a
// time, in the order in which they came, no work begins before what ended rolls have set off is
// done, a request is dropped only where one of its kind waits, and in the end nothing is left that
// was asked for.
func TestRandomAgenda(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := &randomAgenda{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), reloads: map[int]bool{}}
		r.step(Begins{Now: true})
		for range 60 {
			r.step(r.event())
		}
		for r.finish() {
		}
		if len(r.work)+len(r.ends)+len(r.waits)+len(r.requests) > 0 {
			t.Fatalf("seed %d: left are work %v, ends %v, waits %v, requests %v", seed, r.work, r.ends, r.waits,
				r.requests)
		}
	}
}

type randomAgenda struct {
	t      *testing.T
	seed   uint64
	random *rand.Rand
	agenda Agenda
	last   int
	// what was asked for and is not done, in its order
	work, ends, waits, requests []int
	working, concluding, begun  int // what is under way; 0: nothing
	timer                       int
	reloads                     map[int]bool // of the requests
}

// event is one that may come now, or a result that no caller waits for.
func (r *randomAgenda) event() Event {
	r.last++
	n := r.last
	switch r.random.IntN(15) {
	case 0, 1:
		r.work = append(r.work, n)
		return WorkAsked{n}
	case 2, 3:
		r.ends = append(r.ends, n)
		return RollEnded{n}
	case 4:
		r.waits = append(r.waits, n)
		return WaitAsked{n}
	case 5, 13:
		r.requests = append(r.requests, n)
		r.reloads[n] = r.random.IntN(2) == 0
		return RequestAsked{n, r.reloads[n]}
	case 6:
		return []Event{Refused{}, Looked{}, Changed{}}[r.random.IntN(3)]
	case 7:
		return TimerRang{r.timer - r.random.IntN(2)}
	case 8:
		return []Event{WorkDone{n}, Concluded{n}, RequestBegun{n}, TimerRang{n}}[r.random.IntN(4)]
	case 9, 10:
		return r.workDone()
	case 11, 12:
		return r.concluded()
	}
	return r.requestBegun()
}

// finish ends what is under way, and says whether there was something.
func (r *randomAgenda) finish() bool {
	if r.working+r.concluding+r.begun == 0 {
		return false
	}
	for _, e := range []Event{r.workDone(), r.concluded(), r.requestBegun()} {
		r.step(e)
	}
	return true
}

func (r *randomAgenda) workDone() Event {
	n := r.working
	r.working, r.work = 0, slices.DeleteFunc(r.work, func(w int) bool { return w == n })
	return WorkDone{n}
}

func (r *randomAgenda) concluded() Event {
	n := r.concluding
	r.concluding, r.ends = 0, slices.DeleteFunc(r.ends, func(e int) bool { return e == n })
	return Concluded{n}
}

func (r *randomAgenda) requestBegun() Event {
	n := r.begun
	r.begun, r.requests = 0, slices.DeleteFunc(r.requests, func(q int) bool { return q == n })
	return RequestBegun{n}
}

func (r *randomAgenda) step(e Event) {
	r.t.Helper()
	for _, effect := range r.agenda.Step(e) {
		right := true
		switch f := effect.(type) {
		case BeginWork:
			right = r.working == 0 && len(r.ends) == 0 && r.work[0] == f.Number
			r.working = f.Number
		case Conclude:
			right = r.concluding == 0 && r.ends[0] == f.Number
			r.concluding = f.Number
		case EndWait:
			right = slices.Contains(r.waits, f.Number) && (len(r.ends) == 0 || r.ends[0] > f.Number)
			r.waits = slices.DeleteFunc(r.waits, func(w int) bool { return w == f.Number })
		case BeginRequest:
			right = r.begun == 0 && r.requests[0] == f.Number
			r.begun = f.Number
		case DropRequest:
			right = slices.ContainsFunc(r.requests, func(q int) bool {
				return q != f.Number && q != r.begun && r.reloads[q] == r.reloads[f.Number]
			})
			r.requests = slices.DeleteFunc(r.requests, func(q int) bool { return q == f.Number })
		case StartTimer:
			right = f.Number > r.timer
			r.timer = f.Number
		}
		if !right {
			r.t.Fatalf("seed %d: %T%v has the effect %T%v in %+v", r.seed, e, e, effect, effect, r)
		}
	}
}
