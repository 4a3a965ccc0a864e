package web

import (
	"cmp"
	"math"
	"time"

	"relevo/internal/control"
	"relevo/internal/machineview"
	"relevo/pool"
	"relevo/pool/machine"
)

// What is shown of apps: each field is named here, so that nothing gets out by itself. Commands,
// environments and paths are never shown.

// summary is one line of the list.
type summary struct {
	Name        string   `json:"name"`
	State       string   `json:"state"`
	Ready       int      `json:"ready"`
	Slots       int      `json:"slots"`
	Generation  int      `json:"generation,omitempty"`
	Release     string   `json:"release,omitempty"`
	CPU         *float64 `json:"cpu_percent,omitempty"`
	Memory      int64    `json:"memory_bytes,omitempty"`
	Connections *int     `json:"connections,omitempty"`
	Restarts    int      `json:"restarts"`
	Warnings    int      `json:"warnings,omitempty"` // how many
}

// detail is all of one app.
type detail struct {
	summary
	PID         int             `json:"pid,omitempty"` // of the master
	Version     string          `json:"version,omitempty"`
	Started     time.Time       `json:"started,omitzero"`
	Successions int             `json:"successions,omitempty"`
	Rolling     *rolling        `json:"rolling,omitempty"`
	Canary      *canary         `json:"canary,omitempty"`
	LastRoll    *roll           `json:"last_roll,omitempty"`
	NextRoll    time.Time       `json:"next_roll,omitzero"`
	Scale       *scale          `json:"scale,omitempty"`
	Workers     []worker        `json:"workers"`
	Listeners   []listener      `json:"listeners"`
	Said        []string        `json:"said,omitempty"` // warnings, and why the last start failed
	History     *historyOfLooks `json:"history,omitempty"`
}

type rolling struct {
	Release  string `json:"release,omitempty"`
	Replaced int    `json:"replaced"` // workers of a new generation that serve
}

type canary struct {
	Slot  int       `json:"slot"`
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
	Share string    `json:"share,omitempty"`
}

type roll struct {
	Generation int       `json:"generation"`
	From       int       `json:"from"`
	Result     string    `json:"result"`
	Replaced   int       `json:"replaced"`
	Automatic  bool      `json:"automatic,omitempty"`
	Ended      time.Time `json:"ended,omitzero"`
	Exit       string    `json:"exit,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Hint       string    `json:"hint,omitempty"`
	Tail       []string  `json:"tail,omitempty"`
}

type scale struct {
	Min   int  `json:"min"`
	Max   int  `json:"max"`
	Fixed bool `json:"fixed,omitempty"`
}

type worker struct {
	Slot        int       `json:"slot"`
	ID          string    `json:"id,omitempty"`
	PID         int       `json:"pid,omitempty"`
	Generation  int       `json:"generation"`
	State       string    `json:"state"`
	Started     time.Time `json:"started,omitzero"`
	Retry       time.Time `json:"retry,omitzero"`
	Until       time.Time `json:"until,omitzero"` // draining, stopping: how long relevo waits
	Respawns    int       `json:"respawns"`
	Release     string    `json:"release,omitempty"`
	CPU         *float64  `json:"cpu_percent,omitempty"`
	Memory      int64     `json:"memory_bytes,omitempty"`
	Connections *int      `json:"connections,omitempty"`
	Load        *float64  `json:"load,omitempty"`
	Healthy     *bool     `json:"healthy,omitempty"`
	Exit        string    `json:"exit,omitempty"` // how the last worker of the slot ended
	Text        string    `json:"text,omitempty"`
}

type listener struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Captured bool   `json:"captured,omitempty"`
	Waiting  *int   `json:"waiting,omitempty"`
	Limit    *int   `json:"limit,omitempty"`
	Dropped  *int   `json:"dropped,omitempty"`
}

// historyOfLooks has a value for each look, the newest last; below 0: not known.
type historyOfLooks struct {
	CPU         []float64 `json:"cpu_percent"`
	Memory      []float64 `json:"memory_bytes"`
	Connections []float64 `json:"connections"`
	Queue       []float64 `json:"waiting"`
	Drops       []float64 `json:"dropped"`
}

func shownHistory(h machineview.History) *historyOfLooks {
	return &historyOfLooks{CPU: tenths(h.CPU), Memory: h.Memory, Connections: h.Connections, Queue: h.Queue,
		Drops: h.Drops}
}

func tenths(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Round(10*v) / 10
	}
	return out
}

func tenth(value *float64) *float64 {
	if value == nil {
		return nil
	}
	return &tenths([]float64{*value})[0]
}

func summarize(a machineview.App) summary {
	s := summary{Name: a.Name, State: string(a.State), Ready: a.Ready(), CPU: tenth(a.CPU), Memory: a.Usage.Memory,
		Connections: a.Connections, Restarts: a.Restarts()}
	if status := a.Status; status != nil {
		s.Slots, s.Generation, s.Release = status.Slots, status.Generation, releaseName(status.Release)
		s.Warnings = len(status.Warnings)
	}
	if a.Definition != nil && a.Definition.Failure != "" {
		s.Warnings++
	}
	return s
}

// releaseName is the version of a release, or the beginning of its hash.
func releaseName(i *pool.Info) string {
	if i == nil {
		return ""
	}
	return cmp.Or(i.Version, i.SHA256[:min(len(i.SHA256), 12)])
}

// describe shows an app; with all, what programs have said, too.
func describe(a machineview.App, all bool) detail {
	d := detail{summary: summarize(a), Workers: []worker{}, Listeners: []listener{}}
	if all && a.Definition != nil && a.Definition.Failure != "" {
		d.Said = append(d.Said, a.Definition.Failure)
	}
	s := a.Status
	if s == nil {
		return d
	}
	d.PID, d.Version, d.Started, d.Successions, d.NextRoll = s.PID, s.Version, s.Started, s.Successions, s.NextRoll
	if all {
		d.Said = append(d.Said, s.Warnings...)
	}
	if s.Rolling != nil || s.State == "rolling" {
		d.Rolling = &rolling{Release: releaseName(s.Rolling), Replaced: replaced(s)}
	}
	if c := s.Canary; c != nil {
		d.Canary = &canary{Slot: c.Slot, ID: c.ID, Until: c.Until, Share: c.Share}
	}
	if s.Scale != nil {
		d.Scale = &scale{Min: s.Scale.Min, Max: s.Scale.Max, Fixed: s.Scale.Fixed}
	}
	d.LastRoll = lastRoll(s.LastRoll, all)
	for _, w := range a.Workers {
		d.Workers = append(d.Workers, shownWorker(w, all))
	}
	for _, l := range s.Listeners {
		shown := listener{Name: l.Name, Address: l.Address, Captured: l.Captured}
		if l.Queue != nil {
			shown.Waiting, shown.Limit, shown.Dropped = l.Queue.Waiting, l.Queue.Limit, l.Queue.Dropped
		}
		d.Listeners = append(d.Listeners, shown)
	}
	return d
}

// replaced counts the workers of a generation that is being rolled in. A canary on probation has
// replaced no worker yet.
func replaced(s *control.Status) (n int) {
	for _, w := range s.Workers {
		if s.Canary != nil && s.Canary.ID == w.ID {
			continue
		}
		if w.Generation > s.Generation && w.State == string(machine.Serving) {
			n++
		}
	}
	return n
}

func lastRoll(r *pool.RollResult, all bool) *roll {
	if r == nil {
		return nil
	}
	shown := &roll{Generation: r.Generation, From: r.From, Result: string(r.Result), Replaced: r.Replaced,
		Automatic: r.Automatic, Ended: r.Ended, Exit: exit(r.Exit, all)}
	if all {
		shown.Reason, shown.Hint, shown.Tail = r.Reason, r.Hint, r.Tail
	}
	return shown
}

func shownWorker(w machineview.Worker, all bool) worker {
	shown := worker{
		Slot: w.Slot, ID: w.ID, PID: w.PID, Generation: w.Generation, State: w.State, Started: w.Started, Retry: w.Retry,
		Until: w.Until, Respawns: w.Respawns, Release: releaseName(w.Release), CPU: tenth(w.CPU), Memory: w.Memory,
		Connections: w.Connections, Load: w.Load, Exit: exit(w.LastExit, all),
	}
	if w.Open > 0 { // by the worker's own word, while it drains
		shown.Connections = &w.Open
	}
	if w.Health != nil {
		shown.Healthy = &w.Health.OK
	}
	if all {
		shown.Text = w.Text
	}
	return shown
}

// exit says how a process ended; without all, nothing of what it has written.
func exit(e *pool.ExitStatus, all bool) string {
	switch {
	case e == nil:
		return ""
	case all:
		return e.String()
	case e.Error != "":
		return "did not start"
	}
	bare := *e
	bare.Said = ""
	return bare.String()
}
