package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Kind is what is to be done.
type Kind string

const (
	Wait   Kind = "wait"   // nothing, until something changes or After has passed
	Enter  Kind = "enter"  // a stage begins: Members get turns
	Fail   Kind = "fail"   // the deploy stops because of Reason: all turns are withdrawn
	Finish Kind = "finish" // the deploy has reached its end
)

// Action is what Next wants to be done.
type Action struct {
	Kind    Kind
	Members []string      // Enter
	Reason  string        // Fail: why. Wait: for what
	After   time.Duration // Wait: when to ask again; 0: when something changes
}

// Next says what is to be done now.
func Next(d Deploy, machines []Machine, seen Seen) Action {
	if d.State == Held || d.State == Aborted {
		return Action{Kind: Wait, Reason: "the deploy is " + string(d.State)}
	}
	if reason := failure(d, machines, seen); reason != "" {
		return Action{Kind: Fail, Reason: reason}
	}
	if wait, open := underWay(d, machines, seen); open {
		return wait
	}
	if d.State == Paused {
		return Action{Kind: Wait, Reason: "the deploy is paused"}
	}
	return advance(d, machines)
}

// failure says why the deploy has to stop.
func failure(d Deploy, machines []Machine, seen Seen) string {
	for _, m := range machines {
		member := d.Open && slices.Contains(d.Members, m.Name)
		switch {
		case member && m.Turn == Failed:
			return m.Name + ": " + cmp.Or(m.Error, "its turn failed")
		case !d.Back && m.Fault != "" && m.Changed && m.Turn != Given && (member || d.State != Complete):
			return m.Name + ": " + m.Fault
		case (member && m.Turn == Given || m.Working) && seen.Waited >= d.TurnTimeout:
			return fmt.Sprintf("%s: its turn has not ended within %s", m.Name, d.TurnTimeout)
		case d.unseen(m, seen) && !m.Awaited:
			return m.Name + ": it has gone away while it baked"
		}
	}
	if d.Open && !d.Back && seen.CheckFailed != "" {
		return seen.CheckFailed
	}
	return ""
}

// underWay says what there is to wait for before the next stage.
func underWay(d Deploy, machines []Machine, seen Seen) (Action, bool) {
	for _, m := range machines {
		if m.Working || d.Open && m.Turn == Given && slices.Contains(d.Members, m.Name) {
			return Action{Kind: Wait, Reason: m.Name + " has its turn", After: max(d.TurnTimeout-seen.Waited, 0)}, true
		}
	}
	if !d.Open || d.Back {
		return Action{}, false
	}
	for _, m := range machines {
		if d.unseen(m, seen) {
			return Action{Kind: Wait, Reason: m.Name + " is away, and may be back at once", After: time.Second}, true
		}
	}
	if bake := d.bake(); seen.Baked < bake {
		return Action{Kind: Wait, Reason: "bakes", After: bake - seen.Baked}, true
	}
	if seen.Unchecked {
		return Action{Kind: Wait, Reason: "waits for the check"}, true
	}
	return Action{}, false
}

// unseen says whether a canary is away before it has baked: a release that takes its machine off the network is
// not proven by time.
func (d Deploy) unseen(m Machine, seen Seen) bool {
	return d.Open && d.Proving && slices.Contains(d.Members, m.Name) && m.Turn == Done && !m.Present &&
		seen.Baked < d.Bake
}

func (d Deploy) bake() time.Duration {
	if d.Proving {
		return d.Bake
	}
	return d.WaveBake
}

// advance begins the next stage, or ends the deploy.
func advance(d Deploy, machines []Machine) Action {
	next, awaited, unavailable := []Machine{}, "", 0
	for _, m := range machines {
		if !m.Present || m.Fault != "" {
			unavailable++
		}
		switch {
		case m.Present && wants(d, m):
			next = append(next, m)
		case m.Awaited && wants(d, m):
			awaited = m.Name
		}
	}
	switch {
	case len(next) == 0 && awaited != "":
		return Action{Kind: Wait, Reason: awaited + " is away, and may be back at once", After: time.Second}
	case len(next) == 0 && (d.Open || d.State == Rolling || d.State == RollingBack):
		return Action{Kind: Finish}
	case len(next) == 0:
		return Action{Kind: Wait, Reason: "every machine that is present has its release"}
	case !d.Back && d.MaxUnavailable >= 0 && unavailable > d.MaxUnavailable:
		return Action{Kind: Wait, Reason: fmt.Sprintf("away or with a fault: %d of the machines; at most %d may be",
			unavailable, d.MaxUnavailable)}
	}
	return Action{Kind: Enter, Members: choose(d, next)}
}

// wants says whether a machine needs a turn.
func wants(d Deploy, m Machine) bool {
	if d.Back {
		return m.Changed
	}
	return !m.Has
}

// choose takes the members of the next stage: by group, then by name. A wave has machines of one group.
func choose(d Deploy, next []Machine) (members []string) {
	slices.SortFunc(next, func(a, b Machine) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
	})
	proving := !d.Back && !d.proven() && d.Canary > 0
	size := max(d.Wave, 1)
	if proving {
		size = d.Canary
	}
	for _, m := range next {
		if len(members) == size || !proving && !d.Back && m.Group != next[0].Group {
			break
		}
		members = append(members, m.Name)
	}
	return members
}

// proven says whether a canary has passed, or passes with the end of the open stage.
func (d Deploy) proven() bool { return d.Proven || d.Open && d.Proving }

// Apply returns the deploy after an action.
func Apply(d Deploy, a Action) Deploy {
	switch a.Kind {
	case Enter:
		d.Proven = d.proven()
		d.Stage++
		d.Members, d.Open, d.Proving = a.Members, true, !d.Back && !d.Proven && d.Canary > 0
	case Fail:
		d.Reason = a.Reason
		d = d.stop()
		late := d.State == Complete // a machine that came back late does not take the release from the others
		if d.State = Held; d.RollBack && !d.Back && !late {
			d.State, d.Back = RollingBack, true
		}
	case Finish:
		d.Proven = d.proven()
		d = d.stop()
		if d.State = Complete; d.Back {
			d.State = RolledBack
		}
	}
	return d
}

// stop ends the open stage.
func (d Deploy) stop() Deploy {
	d.Members, d.Open, d.Proving = nil, false, false
	return d
}
