package store

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"relevo/internal/fleet/plan"
)

// View is the fleet as of one revision.
type View struct {
	Revision   int64
	Deploys    map[string]Deploy            // by app
	Turns      map[string]map[string]Turn   // by app and machine
	Reports    map[string]map[string]Report // by app and machine
	Present    map[string]Presence          // by machine
	Conductors map[string][]Conductor       // by app, the elected one first
	elections  map[string]map[string]elected
}

type elected struct {
	Conductor
	since int64
}

func newView() *View {
	return &View{Deploys: map[string]Deploy{}, Turns: map[string]map[string]Turn{},
		Reports: map[string]map[string]Report{}, Present: map[string]Presence{},
		Conductors: map[string][]Conductor{}, elections: map[string]map[string]elected{}}
}

// put takes over a key. What cannot be read is left out: it is of another version.
func (v *View) put(kv *mvccpb.KeyValue) {
	key := string(kv.Key)
	if rest, ok := strings.CutPrefix(key, machines); ok {
		v.putMachine(rest, kv.Value)
		return
	}
	app, rest, _ := strings.Cut(strings.TrimPrefix(key, apps), "/")
	switch kind, name, _ := strings.Cut(rest, "/"); kind {
	case "wanted":
		if d := (Deploy{revision: kv.ModRevision}); json.Unmarshal(kv.Value, &d) == nil {
			v.Deploys[app] = d
		}
	case "turns":
		if t := (Turn{revision: kv.ModRevision}); json.Unmarshal(kv.Value, &t) == nil {
			set(v.Turns, app, name, t)
		}
	case "conductor":
		if c := (elected{since: kv.CreateRevision}); json.Unmarshal(kv.Value, &c.Conductor) == nil {
			set(v.elections, app, name, c)
			v.elect(app)
		}
	}
}

func (v *View) putMachine(rest string, value []byte) {
	machine, rest, _ := strings.Cut(rest, "/")
	if rest == "lease" {
		if p := (Presence{}); json.Unmarshal(value, &p) == nil {
			v.Present[machine] = p
		}
		return
	}
	if app, ok := strings.CutPrefix(rest, "apps/"); ok {
		if r := (Report{}); json.Unmarshal(value, &r) == nil {
			set(v.Reports, app, machine, r)
		}
	}
}

func set[T any](m map[string]map[string]T, a, b string, value T) {
	if m[a] == nil {
		m[a] = map[string]T{}
	}
	m[a][b] = value
}

func (v *View) remove(key string) {
	if rest, ok := strings.CutPrefix(key, machines); ok {
		machine, rest, _ := strings.Cut(rest, "/")
		if rest == "lease" {
			delete(v.Present, machine)
		}
		delete(v.Reports[strings.TrimPrefix(rest, "apps/")], machine)
		return
	}
	app, rest, _ := strings.Cut(strings.TrimPrefix(key, apps), "/")
	switch kind, name, _ := strings.Cut(rest, "/"); kind {
	case "wanted":
		delete(v.Deploys, app)
	case "turns":
		delete(v.Turns[app], name)
	case "conductor":
		delete(v.elections[app], name)
		v.elect(app)
	}
}

// elect orders the candidates: as in etcd's election, the oldest key wins.
func (v *View) elect(app string) {
	all := slices.SortedFunc(maps.Values(v.elections[app]), func(a, b elected) int { return int(a.since - b.since) })
	v.Conductors[app] = nil
	for _, c := range all {
		v.Conductors[app] = append(v.Conductors[app], c.Conductor)
	}
}

// Machines are those of an app, as package plan wants them.
func (v *View) Machines(app string) (ms []plan.Machine) {
	d := v.Deploys[app]
	for name, r := range v.Reports[app] {
		_, connected := v.Present[name]
		m := plan.Machine{Name: name, Group: r.Labels[d.Label], Present: connected && r.Running, Fault: r.Fault,
			Has: d.Release.runsAs(r), Changed: d.ID > 0 && r.Deploy == d.ID, Working: r.Phase == Rolling}
		if d.Open && slices.Contains(d.Members, name) {
			m.Turn = r.turn(d.TurnID())
			m.Error = r.Error
		}
		ms = append(ms, m)
	}
	slices.SortFunc(ms, func(a, b plan.Machine) int { return strings.Compare(a.Name, b.Name) })
	return ms
}

// runsAs says whether a machine runs the release.
func (r Release) runsAs(m Report) bool {
	return m.Version == r.Version && (r.SHA256 == "" || m.SHA256 == r.SHA256)
}

func (r Report) turn(id string) plan.Turn {
	switch {
	case r.Turn == id && r.Phase == Done:
		return plan.Done
	case r.Turn == id && r.Phase == Failed:
		return plan.Failed
	}
	return plan.Given
}
