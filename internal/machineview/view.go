package machineview

import (
	"context"
	"time"

	"relevo/internal/apps"
	"relevo/internal/footprint"
	"relevo/pool"
)

// View is what all apps of this machine are like at a moment.
type View struct {
	At   time.Time
	Apps []App // by name
}

// App is one app in a View.
type App struct {
	apps.App
	// CPU is how much of one processor its workers use, in percent: since the look before, or
	// else since the oldest of them started. nil: not known.
	CPU *float64
	// Connections is how many its clients have open. nil: not known.
	Connections *int
	Workers     []Worker // as its master tells them
	History     History
}

// Worker is one worker, or a slot that has none.
type Worker struct {
	pool.Worker
	CPU         *float64 // percent of one processor, as in App
	Memory      int64    // bytes, descendants included; 0: not known
	Connections *int     // that clients have open; nil: not known
}

// Viewer looks at the apps again and again.
type Viewer struct {
	// All lists the apps: apps.Places.All.
	All func(context.Context) ([]apps.App, error)
	// Connections counts those of workers, by their pids, whose processes it is given; nil:
	// they are not counted.
	Connections func(families map[int][]int) map[int]int

	before    *View
	histories map[string]*History
}

// NewViewer looks at the apps that all lists.
func NewViewer(all func(context.Context) ([]apps.App, error)) *Viewer {
	return &Viewer{All: all, Connections: footprint.Connections}
}

// Look returns what the apps are like now.
func (v *Viewer) Look(ctx context.Context) (View, error) {
	all, err := v.All(ctx)
	if err != nil {
		return View{}, err
	}
	now := View{At: time.Now()}
	var connections map[int]int
	if v.Connections != nil {
		connections = v.Connections(families(all))
	}
	for _, a := range all {
		now.Apps = append(now.Apps, v.app(a, now.At, connections))
	}
	v.forget(now)
	v.before = &now
	return now, nil
}

// families are the processes of all workers, by the workers' pids.
func families(all []apps.App) map[int][]int {
	families := map[int][]int{}
	for _, a := range all {
		for pid, used := range a.Workers {
			families[pid] = used.Processes
		}
	}
	return families
}

func (v *Viewer) app(a apps.App, at time.Time, connections map[int]int) App {
	shown := App{App: a}
	earlier, lookedAt := v.earlier(a.Name)
	shown.CPU = AppCPU(a, earlier, lookedAt, at)
	if a.Status != nil {
		for _, w := range a.Status.Workers {
			worker := Worker{Worker: w, Memory: a.Workers[w.PID].Memory}
			worker.CPU = workerCPU(w, a.Workers, earlier, lookedAt, at)
			if n, known := connections[w.PID]; known {
				worker.Connections = &n
				shown.Connections = plus(shown.Connections, n)
			}
			shown.Workers = append(shown.Workers, worker)
		}
	}
	shown.History = v.remember(shown)
	return shown
}

func plus(sum *int, n int) *int {
	if sum != nil {
		n += *sum
	}
	return &n
}

// earlier is an app at the look before, nil if it was not there.
func (v *Viewer) earlier(name string) (*apps.App, time.Time) {
	if v.before == nil {
		return nil, time.Time{}
	}
	for i := range v.before.Apps {
		if a := &v.before.Apps[i]; a.Name == name {
			return &a.App, v.before.At
		}
	}
	return nil, time.Time{}
}

// Find returns an app by its name, nil if it is not there.
func (v View) Find(name string) *App {
	for i := range v.Apps {
		if v.Apps[i].Name == name {
			return &v.Apps[i]
		}
	}
	return nil
}
