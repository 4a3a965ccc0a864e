package decide

import (
	"slices"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/pool/machine"
)

var (
	tried   = Release{"new", "n"}
	serving = Release{"old", "o"}
)

// roll is one from serving to tried, as a case changes it.
func roll(result machine.Result, change func(*Rolled)) Rolled {
	r := Rolled{Result: result, Reason: "died", Tried: tried, Serving: serving, From: serving.Sum}
	if change != nil {
		change(&r)
	}
	return r
}

func TestVerdicts(t *testing.T) {
	byHand := func(r *Rolled) { r.ServingByHand = true }
	good, bad := Verdict{Release: tried, Good: true}, Verdict{Release: tried, Reason: "died"}
	forgiven := Verdict{Release: serving, Good: true}
	for _, c := range []struct {
		what string
		r    Rolled
		want []Verdict
	}{
		{"it serves", roll(machine.OK, nil), []Verdict{good}},
		{"a rollback that serves", roll(machine.OK, func(r *Rolled) { r.BackFrom = serving }),
			[]Verdict{good, {Release: serving, Reason: ByHand}}},
		{"a rollback that fails leaves what serves alone",
			roll(machine.RolledBack, func(r *Rolled) { r.BackFrom = serving }), []Verdict{bad}},
		{"it is rolled back", roll(machine.RolledBack, nil), []Verdict{bad}},
		{"it cannot even be rolled back", roll(machine.Failed, nil), []Verdict{bad}},
		{"the same bytes served before", roll(machine.RolledBack, func(r *Rolled) { r.From = tried.Sum }), nil},
		{"it is not known what served before", roll(machine.RolledBack, func(r *Rolled) { r.From = "" }), []Verdict{bad}},
		{"the master lacked something", roll(machine.RolledBack, func(r *Rolled) { r.Blame = machine.BlameMaster }), nil},
		{"a user ended it", roll(machine.RolledBack, func(r *Rolled) { r.Blame = machine.BlameRequest }), nil},
		{"a newer roll came", roll(machine.Aborted, nil), nil},
		{"its bytes could not be read", roll(machine.OK, func(r *Rolled) { r.Tried.Sum = "" }), nil},
		{"back to what was rolled back from", roll(machine.RolledBack, byHand), []Verdict{bad, forgiven}},
		{"the same, where the master lacked something",
			roll(machine.RolledBack, func(r *Rolled) { byHand(r); r.Blame = machine.BlameMaster }), nil},
		{"bytes are not forgiven that were just found bad",
			roll(machine.RolledBack, func(r *Rolled) { byHand(r); r.Serving, r.From = tried, "" }), []Verdict{bad}},
	} {
		if got := c.r.Verdicts(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

// Only a roll that failed for want of something, to what is to be served anyway, comes again
// by itself.
func TestAgain(t *testing.T) {
	short := func(change func(*Rolled)) Rolled {
		return roll(machine.RolledBack, func(r *Rolled) {
			r.Blame, r.Watched, r.Tried.Fingerprint = machine.BlameMaster, true, serving.Fingerprint
			change(r)
		})
	}
	for _, c := range []struct {
		what   string
		change func(*Rolled)
		want   bool
	}{
		{"a shortage", func(*Rolled) {}, true},
		{"it serves", func(r *Rolled) { r.Result = machine.OK }, false},
		{"the program's fault", func(r *Rolled) { r.Blame = machine.BlameProgram }, false},
		{"nothing is watched", func(r *Rolled) { r.Watched = false }, false},
		{"other settings", func(r *Rolled) { r.Tried.Fingerprint = "other" }, false},
		{"a rollback", func(r *Rolled) { r.BackFrom = serving }, false},
	} {
		if got := short(c.change).Again(); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestFallsBack(t *testing.T) {
	for _, c := range []struct {
		what string
		f    FailedStart
		want bool
	}{
		{"a new release", FailedStart{Sum: "new"}, true},
		{"one that is known to be bad", FailedStart{Sum: "new", Known: Known{Bad: true}}, true},
		{"one that has served", FailedStart{Sum: "new", Known: Known{Good: true}}, false},
		{"bytes that cannot be read", FailedStart{}, false},
		{"the last good one", FailedStart{Sum: "new", FellBack: true}, false},
		{"something else is waited for", FailedStart{Sum: "new", Waits: true}, false},
		{"the end is asked for", FailedStart{Sum: "new", Stopping: true}, false},
		{"the program never ran", FailedStart{Sum: "new", Blame: machine.BlameMaster}, false},
	} {
		if got := c.f.FallsBack(); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		what string
		k    Known
		want bool
	}{
		{"nothing is known", Known{}, false},
		{"good", Known{Good: true, Fingerprint: "f"}, false},
		{"bad", Known{Bad: true, Fingerprint: "f"}, true},
		{"bad with other settings", Known{Bad: true, Fingerprint: "other"}, false},
		{"rolled back from, with other settings", Known{Bad: true, Reason: ByHand, Fingerprint: "other"}, true},
		{"forgiven", Known{Good: true, Reason: ByHand, Fingerprint: "f"}, false},
	} {
		if got := c.k.Refused("f"); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestRollbackTo(t *testing.T) {
	for _, c := range []struct {
		named   string
		rolling bool
		want    string
	}{{"", false, ""}, {"", true, "old"}, {"v1", false, "v1"}, {"v1", true, "v1"}} {
		if got := RollbackTo(c.named, c.rolling, "old"); got != c.want {
			t.Errorf("named %q, rolling %v: %q", c.named, c.rolling, got)
		}
	}
}

func TestNextWait(t *testing.T) {
	var wait time.Duration
	var got []time.Duration
	for range 8 {
		wait = NextWait(wait)
		got = append(got, wait/time.Second)
	}
	if want := []time.Duration{5, 10, 20, 40, 80, 160, 300, 300}; !slices.Equal(got, want) {
		t.Errorf("seconds %d, want %d", got, want)
	}
}

func TestReplaceInPlace(t *testing.T) {
	for _, c := range []struct {
		pid      int
		wanted   config.Upgrade
		terminal bool
		want     bool
	}{
		{1, config.UpgradeAuto, false, true},
		{1, config.UpgradeTableflip, false, true},
		{2, config.UpgradeAuto, false, false},
		{2, config.UpgradeAuto, true, true},
		{2, config.UpgradeExec, false, true},
		{2, config.UpgradeTableflip, true, false},
	} {
		if got := ReplaceInPlace(c.pid, c.wanted, c.terminal); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
