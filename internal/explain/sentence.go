package explain

import (
	"fmt"
	"strings"
	"time"

	"relevo/internal/phrase"
	"relevo/pool"
	"relevo/pool/machine"
)

// sentence tells one entry; empty: there is nothing to tell.
func sentence(e pool.Entry) string {
	switch e.Kind {
	case pool.KindStarted:
		return "The app began to serve" + on(e.Addresses) + "."
	case pool.KindStartFailed:
		return "The app could not start: " + stopped(e.Reason)
	case pool.KindRoll:
		return roll(e)
	case pool.KindExit:
		return death(e)
	case pool.KindResize:
		if e.Reason != "" {
			return fmt.Sprintf("The load changed the number of workers from %d to %d: %s", e.From, e.To, stopped(e.Reason))
		}
		return fmt.Sprintf("The number of workers was set from %d to %d.", e.From, e.To)
	case pool.KindHung, pool.KindRecycle:
		return fmt.Sprintf("%s was replaced%s: %s", who(e), often(e), stopped(e.Reason))
	case pool.KindUnhealthy:
		if e.Slot == nil {
			return fmt.Sprintf("The health check of the app failed%s: %s", often(e), stopped(e.Reason))
		}
		return fmt.Sprintf("%s failed its health check%s: %s", who(e), often(e), stopped(e.Reason))
	case pool.KindHealed:
		text := fmt.Sprintf("A worker had damaged the listener%s%s, and relevo repaired it: %s", on(e.Addresses), often(e),
			stopped(e.Text))
		if len(e.Workers) > 0 {
			text += " It may have been worker " + strings.Join(e.Workers, ", ") + "."
		}
		return text
	case pool.KindFlood:
		return fmt.Sprintf("%s wrote more than relevo reads%s: %s", who(e), often(e), stopped(e.Text))
	case pool.KindWrongLoad:
		return fmt.Sprintf("%s reports a load that cannot be used%s: %s", who(e), often(e), stopped(e.Text))
	case pool.KindSuccession:
		text := fmt.Sprintf("Another master took over, with %s", phrase.Count(e.Count, "worker"))
		if e.Text != "" {
			text += "; it " + e.Text
		}
		return text + "."
	case pool.KindSleep:
		return "The app went to sleep" + often(e) + because(e.Reason)
	case pool.KindWake:
		return "The app woke" + often(e) + because(e.Reason)
	case pool.KindAbandoned:
		return who(e) + " did not end after SIGKILL, and relevo no longer waits for it."
	}
	return ""
}

func roll(e pool.Entry) string {
	switch e.Step {
	case pool.StepAsked:
		return "A roll was asked for: " + stopped(e.Reason)
	case pool.StepBegan:
		return fmt.Sprintf("The roll from generation %d%s to generation %d%s began.", e.From, release(e.FromRelease),
			e.Generation, release(e.Release))
	case pool.StepProbation:
		after := time.Duration(0)
		if e.AfterMS != nil {
			after = time.Duration(*e.AfterMS) * time.Millisecond
		}
		return fmt.Sprintf("Its canary, worker %s, was ready, and on probation for %s.", e.ID, after)
	case pool.StepCanary:
		return fmt.Sprintf("The canary, worker %s, passed.", e.ID)
	case pool.StepReverting:
		text := fmt.Sprintf("Generation %d%s failed", e.Generation, release(e.Release))
		if e.Slot != nil && e.ID != "" {
			text += fmt.Sprintf(", with worker %s in slot %d", e.ID, *e.Slot)
		}
		return fmt.Sprintf("%s: %s relevo went back to generation %d%s.", text, stopped(e.Reason), e.To,
			release(e.FromRelease))
	case pool.StepSuperseded:
		return fmt.Sprintf("The roll to generation %d gave way to a newer one, to generation %d.", e.Generation, e.To)
	case pool.StepEnded:
		return ended(e)
	}
	return ""
}

func ended(e pool.Entry) string {
	took := ""
	if e.DurationMS != nil {
		took = " in " + (time.Duration(*e.DurationMS) * time.Millisecond).String()
	}
	switch machine.Result(e.Result) {
	case machine.OK:
		return fmt.Sprintf("The roll to generation %d ended well: %s replaced%s.", e.Generation,
			phrase.Count(e.Done, "worker"), took)
	case machine.RolledBack:
		return fmt.Sprintf("The roll to generation %d ended%s: generation %d keeps serving.", e.Generation, took, e.From)
	case machine.Failed:
		return fmt.Sprintf("The roll to generation %d failed%s, and not all slots could be put back on generation %d: %s",
			e.Generation, took, e.From, stopped(e.Reason))
	}
	return fmt.Sprintf("The roll to generation %d was ended: %s", e.Generation, stopped(e.Reason))
}

func death(e pool.Entry) string {
	how := e.Reason
	switch {
	case how != "":
	case e.Signal != "":
		how = "killed by " + e.Signal
	case e.Code != nil:
		how = fmt.Sprintf("exit status %d", *e.Code)
	}
	if e.Text != "" && !strings.Contains(how, e.Text) {
		how += ": " + e.Text
	}
	verb := "died"
	if e.Blame == machine.BlameMaster {
		verb = "could not be started"
	}
	if e.Times > 1 && e.Slot != nil {
		return fmt.Sprintf("The workers of slot %d %s%s: %s", *e.Slot, verb, often(e), stopped(how))
	}
	return fmt.Sprintf("%s %s: %s", who(e), verb, stopped(how))
}

// who names the worker that an entry is about.
func who(e pool.Entry) string {
	if e.Slot == nil {
		return "A worker"
	}
	if e.ID == "" {
		return fmt.Sprintf("The worker of slot %d", *e.Slot)
	}
	return fmt.Sprintf("Worker %s in slot %d", e.ID, *e.Slot)
}

// often says that something happened more than once, and until when.
func often(e pool.Entry) string {
	if e.Times < 2 {
		return ""
	}
	return fmt.Sprintf(" %d times until %s", e.Times, e.Last.Local().Format(time.TimeOnly))
}

func on(addresses []string) string {
	if len(addresses) == 0 {
		return ""
	}
	return " on " + strings.Join(addresses, ", ")
}
