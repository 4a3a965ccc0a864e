package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxWorkers is a bound against typing errors. A pool of this size still works well.
const MaxWorkers = 1024

// ParseWorkers reads a number of workers. auto, max and 0 mean one for each
// processor that this process may use.
func ParseWorkers(text string) (int, error) {
	switch text {
	case "auto", "max", "0":
		return CPUs(), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > MaxWorkers || text[0] == '+' { // +2 is a step of relevo scale
		return 0, fmt.Errorf("cannot use %q as a number of workers: write 1 to %d, or auto, max or 0 (here %d)", text,
			MaxWorkers, CPUs())
	}
	return n, nil
}

// WorkerRange is a number of workers, or the bounds of one that follows the load.
type WorkerRange struct{ Least, Most int } // Most is 0 if the number does not change by itself

// ParseWorkerRange reads what ParseWorkers reads, or 2..8, or 2..auto.
func ParseWorkerRange(text string) (WorkerRange, error) {
	low, high, ranges := strings.Cut(text, "..")
	if !ranges {
		n, err := ParseWorkers(text)
		if err != nil {
			err = fmt.Errorf(`%w; "2..8" is as many as the load needs`, err)
		}
		return WorkerRange{Least: n}, err
	}
	wrong := func(why string) error {
		return fmt.Errorf(`cannot use %q as numbers of workers: %s; write "2..8", or "2..auto" for at most one for each `+
			`processor (here %d), or "0..4" for none while no client comes`, text, why, CPUs())
	}
	least, err := strconv.Atoi(low)
	if err != nil || least < 0 || least > MaxWorkers || low != strconv.Itoa(least) {
		return WorkerRange{}, wrong(fmt.Sprintf("the lower one is a number from 0 to %d", MaxWorkers))
	}
	most, err := ParseWorkers(high)
	switch {
	case err != nil || high == "0":
		return WorkerRange{}, wrong(fmt.Sprintf("the higher one is a number from %d to %d, or auto", max(least, 1),
			MaxWorkers))
	case most < least && (high == "auto" || high == "max"):
		return WorkerRange{}, wrong(fmt.Sprintf("auto is %d here, and less than %d", most, least))
	case most < least:
		return WorkerRange{}, wrong("the higher one comes last")
	}
	return WorkerRange{least, most}, nil
}

// String is the range as the file has it.
func (r WorkerRange) String() string {
	if r.Most == 0 {
		return strconv.Itoa(r.Least)
	}
	return fmt.Sprintf("%d..%d", r.Least, r.Most)
}

// Fit is the number of slots of this configuration that is the nearest to n.
func (r WorkerRange) Fit(n int) int { return min(max(n, r.Least), max(r.Most, r.Least)) }

// WorkerRange is how many workers there are to be.
func (a *App) WorkerRange() WorkerRange { return WorkerRange{a.Workers, a.MostWorkers} }

// LargestPool is how many slots there can be.
func (a *App) LargestPool() int { return max(a.Workers, a.MostWorkers) }

// Sleeps says whether there may be no worker while no client comes.
func (a *App) Sleeps() bool { return a.Scales() && a.Workers == 0 }

// Scales says whether the load decides on the number of workers.
func (a *App) Scales() bool { return a.MostWorkers > 0 }

func workersSetting() Setting {
	k := textOrNumber(written("N|MIN..MAX|auto", "auto", ParseWorkerRange, WorkerRange.String))
	k.example = "4"
	return stored("workers", "workers", k, Live, (*App).WorkerRange,
		func(a *App, r WorkerRange) { a.Workers, a.MostWorkers = r.Least, r.Most },
		"number of workers; auto, max or 0: one for each processor that relevo may use; 2..8 or 2..auto: as many as the "+
			"load needs; 0..4: none while no client comes")
}

func idleSetting() Setting {
	return one("idle", "idle", duration(), Live, func(a *App) *time.Duration { return &a.Idle },
		"with workers = 0..4: time without a client after which no worker stays; the next client wakes one")
}

// minIdle prevents that workers are stopped between two requests of one client.
const minIdle = time.Second

func (a *App) workerProblems() (all []problem) {
	if a.Workers < 0 || a.Workers == 0 && !a.Scales() || a.LargestPool() > MaxWorkers {
		all = append(all, problem{"workers", fmt.Errorf("cannot run %s workers: at least 1 is needed, at most %d are "+
			"possible", a.WorkerRange(), MaxWorkers)})
	}
	if a.Idle < minIdle {
		all = append(all, problem{"idle", fmt.Errorf("cannot stop all workers after %s without a client: at least %s; "+
			"write idle = %q", DurationText(a.Idle), DurationText(minIdle), DurationText(DefaultIdle))})
	}
	return all
}

// idleRange says that a range holds one number, as 2..auto does on two processors.
func (a *App) idleRange() idle {
	return idle{"workers", "", false, fmt.Sprintf("the number of workers stays %d: %s has nothing between; write "+
		"workers = %d, or a higher second number (auto is %d here)", a.Workers, a.WorkerRange(), a.Workers, CPUs())}
}

// idleScale says why the number of workers cannot follow the load, or what belongs to it and
// it does not.
func (a *App) idleScale(given func(key string) bool) (all []idle) {
	switch without := a.Scales() && a.Capture == CaptureOff && len(a.Listen) == 0; {
	case a.Scales() && a.Workers == a.MostWorkers:
		all = append(all, a.idleRange())
	case without && a.Sleeps():
		all = append(all, idle{"workers", "capture", true, fmt.Sprintf("use %s workers: relevo has no socket at which a "+
			"client could wake the first one, for capture is off and there is no listener; write listen = [\":8080\"], or "+
			"take capture = \"off\" away, or write workers = 1", a.WorkerRange())})
	case without:
		all = append(all, idle{"workers", "capture", true, fmt.Sprintf("use %s workers: relevo has no socket whose load it "+
			"could look at, for capture is off and there is no listener, and a second worker could not bind the port of "+
			"the first; write listen = [\":8080\"], or take capture = \"off\" away", a.WorkerRange())})
	}
	if given("idle") && !a.Sleeps() {
		all = append(all, idle{"idle", "workers", true, fmt.Sprintf("use idle with %s workers, for as many stay while no "+
			"client comes: write workers = \"0..%d\"", a.WorkerRange(), max(a.LargestPool(), 1))})
	}
	if given("limits.memory_reserve") && !a.Scales() {
		all = append(all, idle{"limits.memory_reserve", "workers", true, fmt.Sprintf("use limits.memory_reserve with %d "+
			"workers, for their number does not follow the load: write workers = \"%d..%d\"", a.Workers, a.Workers,
			2*a.Workers)})
	}
	return all
}
