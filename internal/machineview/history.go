package machineview

// Remembered is how many looks a History holds.
const Remembered = 120

// History is what the last looks at an app have shown, the newest last. A value below 0 was
// not known.
type History struct {
	CPU         []float64 // percent of one processor
	Memory      []float64 // bytes
	Connections []float64
	Queue       []float64 // clients that no worker had accepted
	Drops       []float64 // packets that the kernel discarded since the look before

	dropped int
	seen    bool
}

// remember adds what a look has shown.
func (v *Viewer) remember(a App) History {
	if v.histories == nil {
		v.histories = map[string]*History{}
	}
	h := v.histories[a.Name]
	if h == nil {
		h = &History{}
		v.histories[a.Name] = h
	}
	cpu, connections := -1.0, -1.0
	if a.CPU != nil {
		cpu = *a.CPU
	}
	if a.Connections != nil {
		connections = float64(*a.Connections)
	}
	queue, dropped := queues(a)
	drops := -1.0
	if h.seen && dropped >= 0 {
		drops = float64(max(dropped-h.dropped, 0))
	}
	h.dropped, h.seen = dropped, dropped >= 0
	for _, kept := range []struct {
		values *[]float64
		value  float64
	}{{&h.CPU, cpu}, {&h.Memory, float64(a.Usage.Memory)}, {&h.Connections, connections}, {&h.Queue, queue},
		{&h.Drops, drops}} {
		*kept.values = append(*kept.values, kept.value)
		if len(*kept.values) > Remembered {
			*kept.values = append([]float64(nil), (*kept.values)[1:]...)
		}
	}
	return *h
}

// queues sums up what waits and what was discarded at the listeners; below 0: nothing is known.
func queues(a App) (waiting float64, dropped int) {
	waiting, dropped = -1, -1
	if a.Status == nil {
		return waiting, dropped
	}
	for _, l := range a.Status.Listeners {
		if l.Queue == nil {
			continue
		}
		if n := l.Queue.Waiting; n != nil {
			waiting = max(waiting, 0) + float64(*n)
		}
		if n := l.Queue.Dropped; n != nil {
			dropped = max(dropped, 0) + *n
		}
	}
	return waiting, dropped
}

// forget drops the histories of apps that are gone.
func (v *Viewer) forget(now View) {
	for name := range v.histories {
		if now.Find(name) == nil {
			delete(v.histories, name)
		}
	}
}
