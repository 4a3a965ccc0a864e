package monit

import (
	"cmp"
	"slices"
	"strings"

	"relevo/internal/apps"
	"relevo/internal/machineview"
	"relevo/pool/machine"
)

// sorting is the order of the list.
type sorting int

const (
	byName sorting = iota
	byCPU
	byMemory
	byState
	sortings
)

func (s sorting) String() string { return [...]string{"name", "CPU", "memory", "state"}[s] }

// shown are the apps that pass the filter, in the chosen order.
func (m Model) shown() []machineview.App {
	var shown []machineview.App
	for _, a := range m.frame.Apps {
		if strings.Contains(strings.ToLower(a.Name), strings.ToLower(m.filter)) {
			shown = append(shown, a)
		}
	}
	slices.SortStableFunc(shown, func(a, b machineview.App) int {
		switch m.sort {
		case byCPU:
			return cmp.Compare(orZero(b.CPU), orZero(a.CPU))
		case byMemory:
			return cmp.Compare(b.Usage.Memory, a.Usage.Memory)
		case byState:
			return cmp.Compare(urgency(a), urgency(b))
		}
		return 0 // they come sorted by name
	})
	return shown
}

// urgency is lower for apps that a person should look at first.
func urgency(a machineview.App) int {
	switch a.State {
	case apps.Failed, apps.Silent:
		return 0
	case "running":
		return 2
	case apps.Stopped, "asleep":
		return 3
	}
	return 1
}

func orZero(n *float64) float64 {
	if n == nil {
		return -1
	}
	return *n
}

// chosen returns the chosen app, nil if there is none.
func (m Model) chosen() *machineview.App { return m.frame.Find(m.app) }

// index is where the chosen app is in a list; -1: it is not there.
func (m Model) index(list []machineview.App) int {
	return slices.IndexFunc(list, func(a machineview.App) bool { return a.Name == m.app })
}

// settle makes sure that what is chosen is there.
func (m *Model) settle() {
	if m.chosen() == nil {
		m.app = ""
		if shown := m.shown(); len(shown) > 0 {
			m.app = shown[0].Name
		}
	}
	if a := m.chosen(); a != nil {
		m.slot = max(0, min(m.slot, len(a.Workers)-1))
	}
}

// withVanished keeps the chosen app in the list after its master has gone: masters that no
// relevo start remembers would disappear while they are looked at.
func (m Model) withVanished(f Frame) Frame {
	a := m.chosen()
	if a == nil || f.Find(a.Name) != nil {
		return f
	}
	gone := machineview.App{App: apps.App{Name: a.Name, State: apps.Stopped}, History: a.History}
	at, _ := slices.BinarySearchFunc(f.Apps, a.Name, func(b machineview.App, name string) int {
		return cmp.Compare(b.Name, name)
	})
	f.Apps = slices.Insert(slices.Clone(f.Apps), at, gone)
	return f
}

// sameShape says whether two frames show the same apps and workers in the same states.
func sameShape(a, b Frame) bool {
	return slices.EqualFunc(a.Apps, b.Apps, func(a, b machineview.App) bool {
		return a.Name == b.Name && a.State == b.State && busy(a) == busy(b) && !busy(a) &&
			slices.EqualFunc(a.Workers, b.Workers, func(a, b machineview.Worker) bool {
				return a.ID == b.ID && a.State == b.State
			})
	})
}

// busy says whether an app is doing something that is worth a second look soon.
func busy(a machineview.App) bool {
	if a.CPU != nil && *a.CPU >= 1 {
		return true
	}
	return slices.ContainsFunc(a.Workers, func(w machineview.Worker) bool {
		return w.State != string(machine.Serving) && w.State != string(machine.Backoff)
	})
}
