package machine

import (
	"time"
)

// op is one event; a and b choose the worker and the time.
type op struct{ kind, a, b byte }

func opsOf(data []byte) []op {
	var ops []op
	for ; len(data) >= 3; data = data[3:] {
		ops = append(ops, op{data[0], data[1], data[2]})
	}
	return ops
}

// run plays the ops in a new world, makes that behave well from then on, and returns the first
// broken promise.
func run(ops []op) (w *world) {
	w = newWorld(Options{})
	defer func() {
		if r := recover(); r != nil {
			w.failf("panic: %v", r)
		}
	}()
	for i, o := range ops {
		if i == 0 && o.kind < 250 {
			w.step(Start{Workers: 1 + int(o.a)%4, Generation: 1})
			continue
		}
		w.do(o)
	}
	w.end(ops)
	return w
}

func (w *world) do(o op) {
	pauses := []time.Duration{0, 0, 0, 0, 1, 50e6, 300e6, 1e9, 2e9, 5e9, 40e9}
	w.now = w.now.Add(pauses[int(o.b)%len(pauses)])
	switch kind := o.kind % 56; kind {
	case 19, 20, 21, 22:
		if next := w.m.Next(); next.After(w.now) {
			w.now = next
		}
		w.step(Tick{})
	case 23:
		w.step(Tick{}) // early or late
	case 24, 25, 26:
		w.step(Roll{w.asked + 1, []Cause{"", CauseCron}[w.asked%2]})
	case 27, 28:
		w.step(Resize{Workers: int(o.a) % 6})
	case 29:
		w.step(Configure{someOptions(o.a)})
	case 30:
		w.step(Start{Workers: 1 + int(o.a)%4, Generation: w.asked + 1})
	case 31:
		w.rarely(o.a)
	case 47, 48:
		w.step(Promote{})
	case 52, 53:
		w.step(Sleep{Reason: "some reason"})
	case 54, 55:
		w.step(Wake{Workers: int(o.a) % 4, Reason: "some reason"})
	case 49:
		w.step(Abort{Reason: "aborted"})
	default:
		w.step(w.word(kind, o.a))
	}
}

// word is a message of a process; a chooses the process.
func (w *world) word(kind, a byte) Event {
	pick := func(states ...State) int {
		if among := w.in(states...); len(among) > 0 {
			return among[int(a)%len(among)].id
		}
		return int(a) % (w.spawned + 2) // any worker, known or not
	}
	leaving := []State{Draining, Stopping, Killing}
	const reason = "some reason"
	switch kind {
	case 0, 1, 2, 3, 4:
		return Ready{pick(Starting)}
	case 5:
		return Ready{pick()}
	case 6, 7:
		return Hello{Worker: pick(Starting, Serving)}
	case 8:
		return Leaving{pick(Serving)}
	case 9:
		return Leaving{pick(leaving...)}
	case 10:
		return Drained{pick(Draining)}
	case 11:
		return Drained{pick()}
	case 12, 13:
		return Exited{Worker: pick(Starting), Reason: reason}
	case 14, 15:
		return Exited{Worker: pick(Serving), Reason: reason}
	case 16, 17:
		return Exited{Worker: pick(leaving...), Reason: reason}
	case 32:
		return Alive{pick(Serving)}
	case 33:
		return Alive{pick()}
	case 34:
		return Hung{pick(Starting, Serving, Draining), reason}
	case 35:
		return Recycle{pick(Serving), CauseMemory, reason}
	case 36:
		return Recycle{pick(), CauseMemory, reason}
	case 37:
		return Exited{Worker: pick(Starting), Reason: reason, Blame: BlameProgram}
	case 38, 40, 41, 42, 43:
		return Exited{Worker: pick(Serving), Reason: reason, Blame: BlameProgram}
	case 44:
		return Exited{Worker: pick(Starting), Reason: reason, Blame: BlameMaster}
	case 45:
		return Unseen{pick(Starting), reason}
	case 46:
		return Unseen{Worker: pick(Starting)}
	case 50:
		return Unhealthy{pick(Starting, Serving), reason}
	case 51:
		return Unhealthy{pick(), reason}
	case 39:
		return Hello{Worker: pick(Starting, Serving), Pong: true}
	}
	return Exited{Worker: pick(), Reason: reason}
}

// rarely ends the pool, and with it the story; most of the time it only ticks.
func (w *world) rarely(a byte) {
	switch {
	case a < 20:
		w.step(Halt{})
	case a < 30:
		w.step(Force{})
	default:
		w.step(Tick{})
	}
}

func someOptions(a byte) Options {
	o := Options{Surge: int(a) % 4}
	if a&4 != 0 {
		o.Canary = -1
	}
	if a&8 != 0 {
		o.DrainTimeout, o.ReadyTimeout = time.Second, 2*time.Second
	}
	if a&16 != 0 {
		o.BackoffMin, o.BackoffMax = 10*time.Millisecond, time.Second
	}
	if a&32 != 0 {
		o.StopGrace, o.KillTimeout = 100*time.Millisecond, 300*time.Millisecond
	}
	if a&64 != 0 {
		o.Watchdog = 10 * time.Second
	}
	if a&128 != 0 {
		o.MaxLifetime, o.LifetimeJitter = 20*time.Second, 0.5
	}
	if a%5 == 0 {
		o.CrashWindow = -1
	}
	return o
}
