package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/tally"
)

// apps adds the metrics of apps.
func (p *page) apps(apps []App) {
	for _, a := range apps {
		p.app = a.Status.Name
		p.about(a)
		if counted(a.Status) {
			p.counts(a.Status.Counts)
		}
		p.lastRoll(a)
		p.listeners(a)
		p.workers(a)
		p.master(a)
	}
}

// up says of each app whether its master answers.
func (p *page) up(apps []App, down []string) {
	put := func(name string, value bool) {
		p.app = name
		p.put(gauge, "relevo_up", "1 if the master of the app answers.", flag(value))
	}
	for _, a := range apps {
		put(a.Status.Name, true)
	}
	for _, name := range down {
		put(name, false)
	}
}

func (p *page) about(a App) {
	s := a.Status
	p.put(info, "relevo_build", "The relevo that is the master of the app.", 1, "version", s.Version,
		"goversion", s.Build.Go, "revision", s.Build.Revision)
	if r := s.Release; r != nil {
		p.put(info, "relevo_release", "The release that serves.", 1,
			"release", r.SHA256[:min(len(r.SHA256), 12)], "version", r.Version, "generation", strconv.Itoa(s.Generation))
	}
	p.states(a)
	p.put(gauge, "relevo_workers_desired", "How many workers the app is to have.", float64(s.Slots))
	if s.Scale != nil {
		p.put(gauge, "relevo_workers_min", "The fewest workers that the load may leave.", float64(s.Scale.Min))
		p.put(gauge, "relevo_workers_max", "The most workers that the load may ask for.", float64(s.Scale.Max))
	}
	p.put(gauge, "relevo_roll_in_progress", "1 while a roll replaces the workers.", flag(s.Rolling != nil))
	p.put(gauge, "relevo_warnings", "What relevo status says that a person should look at.", float64(len(s.Warnings)))
	const upgrades, help = "relevo_upgrades", "Masters that another one has followed without a restart, or failed to."
	p.put(counter, upgrades, help, float64(s.Successions), "result", "ok")
	p.put(counter, upgrades, help, float64(s.FailedUpgrades), "result", "failed")
}

func (p *page) states(a App) {
	count := map[string]int{}
	for _, w := range a.Status.Workers {
		count[w.State]++
	}
	for _, state := range []machine.State{machine.Starting, machine.Serving, machine.Draining, machine.Stopping,
		machine.Killing, machine.Backoff} {
		p.put(gauge, "relevo_workers", "Workers by their state; in backoff a slot waits for its next worker.",
			float64(count[string(state)]), "state", string(state))
	}
}

// counted says whether the master counts: one of an older relevo does not, and has workers without having
// counted a start.
func counted(s control.Status) bool {
	return len(s.Counts.Starts) > 0 || !slices.ContainsFunc(s.Workers, func(w pool.Worker) bool { return w.PID > 0 })
}

func (p *page) counts(t tally.Tally) {
	for _, cause := range []machine.Cause{machine.CauseFirst, machine.CauseRoll, machine.CauseRespawn,
		machine.CauseScale, machine.CauseMemory, machine.CauseLifetime, machine.CauseHealth, machine.CauseCron,
		machine.CauseListener, machine.CauseWatchdog, machine.CauseRequest} {
		p.put(counter, "relevo_worker_starts", "Workers that were started, by why.", float64(t.Starts[cause]),
			"reason", string(cause))
	}
	for _, how := range []tally.Death{tally.Asked, tally.Exit, tally.Crash, tally.OOM, tally.Signal, tally.Hang,
		tally.Never} {
		p.put(counter, "relevo_worker_deaths", "Workers that have ended, by how; asked: relevo wanted it.",
			float64(t.Deaths[how]), "reason", string(how))
	}
	for _, result := range []string{string(machine.OK), string(machine.RolledBack), string(machine.Failed),
		string(machine.Aborted), tally.Superseded} {
		p.put(counter, "relevo_rolls", "Rolls that have ended, by how.", float64(t.Rolls[result]),
			"result", strings.ReplaceAll(result, "-", "_"))
	}
	p.put(counter, "relevo_adopted_workers", "Workers that a next master has taken over.", float64(t.Adopted))
	p.times("relevo_roll_duration_seconds", "How long rolls took.", t.RollTime)
	p.times("relevo_ready_duration_seconds", "How long workers took to get ready.", t.ReadyTime)
	p.times("relevo_drain_duration_seconds", "How long workers took to finish and to end.", t.DrainTime)
}

func (p *page) times(name, help string, t tally.Times) {
	below := 0
	for i, bound := range tally.Bounds() {
		if i < len(t.Counts) {
			below += t.Counts[i]
		}
		p.putPart(histogram, name, help, "_bucket", float64(below), "le", strconv.FormatFloat(bound, 'f', -1, 64))
	}
	if n := len(tally.Bounds()); n < len(t.Counts) {
		below += t.Counts[n]
	}
	p.putPart(histogram, name, help, "_bucket", float64(below), "le", "+Inf")
	p.putPart(histogram, name, help, "_sum", t.Sum)
	p.putPart(histogram, name, help, "_count", float64(below))
}

// lastRoll has the names that Prometheus uses for its own configuration.
func (p *page) lastRoll(a App) {
	if last := a.Status.LastRoll; last != nil {
		p.put(gauge, "relevo_config_last_reload_successful", "1 if the last roll ended well.",
			flag(last.Result == machine.OK))
	}
	p.moment("relevo_config_last_reload_success_timestamp_seconds", "When a roll last ended well.",
		a.Status.Counts.LastGoodRoll)
	p.moment("relevo_next_roll_timestamp_seconds", "When the clock has all workers replaced next.", a.Status.NextRoll)
	c := a.Status.Connections
	const name, help = "relevo_led_out_connections", "Connections of workers that were led out, by what became of them."
	p.put(counter, name, help, float64(c.Finished), "outcome", "finished")
	p.put(counter, name, help, float64(c.HandedOver), "outcome", "handed_over")
	p.put(counter, name, help, float64(c.Rescued), "outcome", "rescued")
	p.put(counter, name, help, float64(c.Cut), "outcome", "cut")
}

// moment leaves a time out that never was.
func (p *page) moment(name, help string, at time.Time, labels ...string) {
	if !at.IsZero() {
		p.put(gauge, name, help, float64(at.UnixMilli())/1000, labels...)
	}
}

func (p *page) listeners(a App) {
	for _, l := range a.Status.Listeners {
		labels := []string{"listener", l.Name, "address", l.Address}
		if q := l.Queue; q != nil {
			p.known(gauge, "relevo_listener_accept_queue", "Connections that no worker has accepted yet.", q.Waiting, labels)
			p.known(gauge, "relevo_listener_accept_queue_limit", "How many connections may wait.", q.Limit, labels)
			p.known(counter, "relevo_listener_drops", "Packets that the kernel has discarded since the socket was opened.",
				q.Dropped, labels)
		}
		if counted(a.Status) {
			p.put(counter, "relevo_listener_healed", "Repairs of what workers did to the socket.",
				float64(a.Status.Counts.Healed[l.Address]), labels...)
		}
	}
}

func (p *page) known(k kind, name, help string, value *int, labels []string) {
	if value != nil {
		p.put(k, name, help, float64(*value), labels...)
	}
}

func (p *page) workers(a App) {
	workers := bySlot(a.Status.Workers)
	p.expected = len(workers)
	defer func() { p.expected = 0 }()
	for _, w := range workers {
		slot := []string{"slot", strconv.Itoa(w.Slot)}
		p.moment("relevo_worker_start_time_seconds", "When the worker of the slot was started.", w.Started, slot...)
		p.moment("relevo_worker_last_ping_timestamp_seconds",
			"When the worker last gave a sign of life: WATCHDOG=1, or an answer to a ping.", w.LastPing, slot...)
		if used, ok := a.Workers[w.PID]; ok {
			p.put(counter, "relevo_worker_cpu_seconds", "Time on processors of the worker and its descendants.",
				used.CPU.Seconds(), slot...)
			p.put(gauge, "relevo_worker_resident_memory_bytes", "Memory of the worker and its descendants.",
				float64(used.Memory), slot...)
			if used.Connected {
				p.put(gauge, "relevo_worker_connections", "Connections that clients have open.",
					float64(used.Connections), slot...)
			}
		}
		if proc, ok := a.Processes[w.PID]; ok {
			p.positive("relevo_worker_open_fds", "Descriptors that the worker has open.", proc.Files, slot)
			p.positive("relevo_worker_max_fds", "Descriptors that it may have open.", proc.MaxFiles, slot)
			p.positive("relevo_worker_threads", "Threads of the worker.", proc.Threads, slot)
		}
		if w.Load != nil {
			p.put(gauge, "relevo_worker_load_ratio", "Load by the worker's own word; 1 is all that it can do.", *w.Load,
				slot...)
		}
		if h := w.Health; h != nil {
			p.put(gauge, "relevo_worker_healthy", "1 if the worker passed its last health check.", flag(h.OK), slot...)
		}
	}
}

func (p *page) positive(name, help string, value int, labels []string) {
	if value >= 0 {
		p.put(gauge, name, help, float64(value), labels...)
	}
}

// bySlot picks one worker of each slot: while a roll replaces it, the one that serves.
func bySlot(workers []pool.Worker) []*pool.Worker {
	ranks := map[string]int{string(machine.Serving): 3, string(machine.Starting): 2, string(machine.Draining): 1}
	rank := func(w *pool.Worker) int { return ranks[w.State] }
	chosen, at := make([]*pool.Worker, 0, len(workers)), make(map[int]int, len(workers))
	for n := range workers {
		w := &workers[n]
		i, seen := at[w.Slot]
		switch {
		case w.PID == 0:
		case !seen:
			at[w.Slot] = len(chosen)
			chosen = append(chosen, w)
		case cmp.Or(cmp.Compare(rank(w), rank(chosen[i])), w.Started.Compare(chosen[i].Started)) > 0:
			chosen[i] = w
		}
	}
	return chosen
}

// master has the standard names of a process, with the app's label.
func (p *page) master(a App) {
	proc, ok := a.Processes[a.Status.PID]
	if !ok {
		return
	}
	p.put(counter, "process_cpu_seconds", "Time of the master on processors.", proc.CPU.Seconds())
	p.put(gauge, "process_resident_memory_bytes", "Memory of the master.", float64(proc.Resident))
	p.positive("process_open_fds", "Descriptors that the master has open.", proc.Files, nil)
	p.positive("process_max_fds", "Descriptors that it may have open.", proc.MaxFiles, nil)
	p.positive("process_threads", "Threads of the master.", proc.Threads, nil)
}
