package hangup

import (
	"testing"
	"time"
)

func TestMeaning(t *testing.T) {
	job, leads := State{Terminal: true}, State{Terminal: true, Leads: true}
	nohup := func(s State) State { s.Nohup = true; return s }
	gone := func(s State) State { s.Gone = true; return s }
	for name, c := range map[string]struct {
		state State
		sight sight
		want  Meaning
	}{
		"no terminal at all":                      {State{}, sight{gone: true}, ByHand},
		"the terminal is there":                   {job, sight{}, ByHand},
		"the terminal is there, for its leader":   {leads, sight{}, ByHand},
		"the terminal is there, nohup":            {nohup(job), sight{}, ByHand},
		"the shell passes it on":                  {job, sight{gone: true}, Terminal},
		"the kernel sends it at the shell's end":  {job, sight{gone: true, ended: true, since: time.Millisecond}, Terminal},
		"the kernel sends it to the leader":       {leads, sight{gone: true}, Terminal},
		"again to the leader":                     {leads, sight{gone: true, already: true}, Terminal},
		"long after the end of the shell: disown": {job, sight{gone: true, ended: true, since: time.Hour}, ByHand},
		"a predecessor has outlived the terminal": {gone(job), sight{gone: true}, ByHand},
		"nohup, at the shell's end": {nohup(job), sight{gone: true, ended: true, since: time.Millisecond},
			Outlived},
		"nohup, long after the end of the shell":    {nohup(job), sight{gone: true, ended: true, since: time.Hour}, ByHand},
		"nohup, the shell lives":                    {nohup(job), sight{gone: true}, Unclear},
		"nohup, the leader":                         {nohup(leads), sight{gone: true}, Outlived},
		"nohup, the leader, a second one":           {nohup(leads), sight{gone: true, already: true}, ByHand},
		"nohup, a predecessor outlived it, by hand": {gone(nohup(leads)), sight{gone: true}, ByHand},
	} {
		if got := c.state.meaning(c.sight); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestNil: without a terminal every SIGHUP is sent by hand.
func TestNil(t *testing.T) {
	for name, w := range map[string]*Watch{"none": New(State{}), "outlived": New(State{Terminal: true, Gone: true})} {
		if w != nil || w.Meaning() != ByHand || w.Left() != nil || w.State() != (State{}) {
			t.Errorf("%s: a process without a terminal is watched", name)
		}
		w.Close()
	}
	if w, lost := After(State{Terminal: true, Leads: true}); w != nil || lost {
		t.Error("the end of a predecessor that leads the session is taken for that of the terminal")
	}
}
