package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// FuzzPlan lets a fleet of models go through random orders of turns, deaths, absences and requests,
// and checks after each step what package plan promises.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint8(seed%9), uint8(seed%3), uint8(1+seed%4), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, machines, canary, wave uint8, rollBack bool) {
		play(t, seed, int(machines%12)+1, int(canary%4), int(wave%6)+1, rollBack)
	})
}

// TestRandomDeploys is FuzzPlan for many seeds.
func TestRandomDeploys(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		play(t, seed, 1+r.IntN(12), r.IntN(4), 1+r.IntN(6), r.IntN(2) == 0)
		if t.Failed() {
			return
		}
	}
}

func play(t *testing.T, seed uint64, machines, canary, wave int, rollBack bool) {
	f := &fleet{t: t, r: rand.New(rand.NewPCG(seed, 2)), d: Deploy{State: Rolling, Canary: canary, Wave: wave,
		MaxUnavailable: -1, TurnTimeout: time.Minute, Bake: time.Second, RollBack: rollBack}}
	for i := range machines {
		f.machines = append(f.machines, &machine{Machine: Machine{Name: fmt.Sprintf("m%02d", i),
			Group: string(rune('a' + f.r.IntN(3))), Present: f.r.IntN(5) > 0}})
	}
	for range 300 {
		f.step()
		f.check()
		if t.Failed() {
			t.Logf("seed %d, %d machines, canary %d, wave %d: %v", seed, machines, canary, wave, f.story)
			return
		}
	}
}

// machine is an agent as the conductor's etcd sees it.
type machine struct {
	Machine
	turn     int // the stage of its turn key; 0: none
	back     bool
	finished int // the stage of its last report
}

type fleet struct {
	t        *testing.T
	r        *rand.Rand
	d        Deploy
	machines []*machine
	failed   bool // since the last wish
	proving  bool // the open stage is a canary, as this test sees it
	proven   bool // a canary has passed
	story    []string
}

func (f *fleet) say(format string, args ...any) {
	f.story = append(f.story, fmt.Sprintf(format, args...))
}

func (f *fleet) step() {
	m := f.machines[f.r.IntN(len(f.machines))]
	switch f.r.IntN(12) {
	case 0:
		m.Present = !m.Present
	case 1:
		if f.r.IntN(10) == 0 {
			m.Fault = "a worker died"
		} else {
			m.Fault = ""
		}
	case 2:
		if f.r.IntN(4) == 0 {
			f.wish([]Wish{Pause, Resume, Abort, Rollback}[f.r.IntN(4)])
		}
	case 3, 4, 5:
		f.begin(m)
	case 6, 7, 8:
		f.end(m)
	default:
		f.conduct()
	}
}

// begin is the agent's transaction: it works only if its turn is still there.
func (f *fleet) begin(m *machine) {
	if m.turn != 0 && m.Present && !m.Working && m.finished != m.turn {
		m.Working = true
		f.say("%s begins", m.Name)
	}
}

func (f *fleet) end(m *machine) {
	if !m.Working {
		return
	}
	m.Working = false
	if m.turn != 0 {
		m.finished = m.turn
	}
	switch bad := f.r.IntN(6) == 0; {
	case bad:
		m.Turn = Failed
	case m.back:
		m.Turn, m.Has, m.Changed = Done, false, false
	default:
		m.Turn, m.Has, m.Changed = Done, true, true
	}
	f.say("%s ends: %s", m.Name, m.Turn)
}

func (f *fleet) wish(w Wish) {
	d, err := Heed(f.d, w)
	if err != nil {
		return
	}
	f.say("%s", w)
	f.failed = false
	f.proving = f.proving && d.Open
	f.become(d)
}

func (f *fleet) conduct() {
	seen := Seen{Baked: time.Duration(f.r.IntN(2)) * time.Second}
	if f.r.IntN(50) == 0 {
		seen.Waited = time.Minute
	}
	a := Next(f.d, f.view(), seen)
	if a.Kind == Wait {
		return
	}
	f.say("%s %v %s", a.Kind, a.Members, a.Reason)
	switch a.Kind {
	case Enter:
		f.proven = f.proven || f.proving
		f.mayEnter(a)
		f.proving = f.canary()
	case Fail:
		f.failed, f.proving = true, false
	case Finish:
		f.proven, f.proving = f.proven || f.proving, false
	}
	f.become(Apply(f.d, a))
}

// become performs the changes of the new deploy: turns are given, or withdrawn.
func (f *fleet) become(d Deploy) {
	entered := d.Stage != f.d.Stage
	for _, m := range f.machines {
		if entered || !d.Open {
			m.turn, m.Turn = 0, NoTurn
		}
		if entered && slices.Contains(d.Members, m.Name) {
			m.turn, m.Turn, m.back = d.Stage, Given, d.Back
		}
	}
	f.d = d
}

func (f *fleet) view() (view []Machine) {
	for _, m := range f.machines {
		view = append(view, m.Machine)
	}
	return view
}

// mayEnter checks a stage that begins.
func (f *fleet) mayEnter(a Action) {
	for _, m := range f.machines {
		if m.Working || m.turn != 0 && m.finished != m.turn && f.d.Open {
			f.t.Errorf("a stage begins while %s works", m.Name)
		}
	}
	if f.failed && !f.d.Back {
		f.t.Errorf("a stage of the release begins after a failure")
	}
	limit := f.d.Wave
	if f.canary() {
		limit = f.d.Canary
	}
	if len(a.Members) == 0 || len(a.Members) > limit {
		f.t.Errorf("a stage has %d members, it may have 1 to %d", len(a.Members), limit)
	}
	if !f.d.Back && !f.canary() {
		groups := map[string]bool{}
		for _, m := range f.machines {
			if slices.Contains(a.Members, m.Name) {
				groups[m.Group] = true
			}
		}
		if len(groups) > 1 {
			f.t.Errorf("a wave has machines of %d groups", len(groups))
		}
	}
}

// canary says whether the next stage has to be a canary.
func (f *fleet) canary() bool { return !f.d.Back && !f.proven && f.d.Canary > 0 }

// check checks what must hold after every step.
func (f *fleet) check() {
	working := 0
	for _, m := range f.machines {
		if m.Working || m.turn != 0 && f.d.Open && m.finished != m.turn {
			working++
		}
		if m.turn != 0 && !slices.Contains(f.d.Members, m.Name) {
			f.t.Errorf("%s has a turn, but is not a member of the stage", m.Name)
		}
	}
	if limit := max(f.d.Canary, f.d.Wave); working > limit {
		f.t.Errorf("%d machines work at the same time, %d may", working, limit)
	}
}
