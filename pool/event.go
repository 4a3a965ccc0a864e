package pool

import (
	"encoding/json"
	"time"

	"relevo/pool/machine"
)

// Kind names an event. The kinds are a superset of the events of Node's cluster
// module (fork, online, listening, message, disconnect, exit).
type Kind string

// The kinds. Those of one worker carry slot, id, pid and generation.
const (
	KindStarted     Kind = "started"     // the pool serves for the first time
	KindStartFailed Kind = "startfailed" // no worker got ready; the pool ends
	KindFork        Kind = "fork"        // a worker's process was made
	KindOnline      Kind = "online"      // its own program runs
	KindCaptured    Kind = "captured"    // its program has bound an address, and got the master's socket for it
	KindListening   Kind = "listening"   // it waits for clients on the addresses
	KindReady       Kind = "ready"       // it serves
	KindMessage     Kind = "message"     // an application message, in data
	KindStatus      Kind = "status"      // its status text, in text
	KindDraining    Kind = "draining"    // it no longer accepts; why, in reason
	KindDrained     Kind = "drained"     // it has finished what it accepted
	KindStopping    Kind = "stopping"    // it was sent the stop signal
	KindKilling     Kind = "killing"     // its process group was sent SIGKILL
	KindDisconnect  Kind = "disconnect"  // its channel is closed
	KindExit        Kind = "exit"        // its process has ended: code or signal; planned or not
	KindAbandoned   Kind = "abandoned"   // it survives SIGKILL, and the pool stops waiting for it
	KindRespawn     Kind = "respawn"     // a slot's worker died; the next one is due
	KindRoll        Kind = "roll"        // a roll moved on; see step
	KindResize      Kind = "resize"      // the number of slots changed; if the load asked for it, why, in reason
	KindSleep       Kind = "sleep"       // all workers leave, until a client comes; why, in reason
	KindWake        Kind = "wake"        // workers start again; why, in reason
	KindHung        Kind = "hung"        // a worker does not respond and is replaced; why, in reason
	KindRecycle     Kind = "recycle"     // a worker is being replaced by one of its generation; why, in reason
	KindUnhealthy   Kind = "unhealthy"   // a worker, or the pool, fails its health check; how, in reason
	KindHealthy     Kind = "healthy"     // it passes its health check again
	KindFlood       Kind = "flood"       // a worker writes more than relevo reads; what was done, in text
	KindWrongLoad   Kind = "wrongload"   // a worker reports a load that is no number; what to send, in text
	KindHealed      Kind = "healed"      // a shared socket that a worker had damaged was repaired; what, in text
	KindAdopted     Kind = "adopted"     // this master has taken over a worker of the previous one
	KindSuccession  Kind = "succession"  // this master took over count workers; what it does about a roll, in text
	KindStopped     Kind = "stopped"     // no worker is left
	KindLost        Kind = "lost"        // a subscriber was too slow; how many, in count
)

// Step says how far a roll is, in an event of KindRoll.
type Step string

// The steps of a roll.
const (
	StepBegan      Step = "began"
	StepProbation  Step = "probation" // the canary is ready, and on probation for after_ms, with share
	StepCanary     Step = "canary"    // the canary passed its probation
	StepReplaced   Step = "replaced"
	StepReverting  Step = "reverting" // the roll failed: replaced slots go back
	StepReverted   Step = "reverted"  // a slot is back on the old generation
	StepSuperseded Step = "superseded"
	StepEnded      Step = "ended"
)

// Event is something that happened in the pool. Fields that do not belong to
// its kind are left out of the JSON.
type Event struct {
	Time       time.Time       `json:"time"`
	Kind       Kind            `json:"event"`
	App        string          `json:"app"`
	Slot       *int            `json:"slot,omitempty"`
	ID         string          `json:"id,omitempty"`
	PID        int             `json:"pid,omitempty"`
	Generation int             `json:"generation,omitempty"`
	How        string          `json:"how,omitempty"` // ready: how relevo knew, see Ready
	Addresses  []string        `json:"addresses,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	Text       string          `json:"text,omitempty"`
	Open       *int            `json:"open,omitempty"` // draining: connections left, where the worker told
	Code       *int            `json:"code,omitempty"`
	Signal     string          `json:"signal,omitempty"`
	Planned    *bool           `json:"planned,omitempty"` // exit: the master asked for it, or the worker announced it
	Reason     string          `json:"reason,omitempty"`
	Cause      machine.Cause   `json:"cause,omitempty"` // fork: why the worker was started
	Hint       string          `json:"hint,omitempty"`
	Blame      machine.Blame   `json:"blame,omitempty"`    // of a roll that failed; of an exit if it is the master's
	AfterMS    *int64          `json:"after_ms,omitempty"` // respawn: the wait; probation: how long it lasts
	// probation: the canary's part of new connections; empty: as each other worker's
	Share      string   `json:"share,omitempty"`
	Step       Step     `json:"step,omitempty"`
	From       int      `json:"from,omitempty"` // roll: the old generation; resize and sleep: the old number
	To         int      `json:"to,omitempty"`
	Done       int      `json:"done,omitempty"`
	Of         int      `json:"of,omitempty"`
	Result     string   `json:"result,omitempty"`
	Tail       []string `json:"tail,omitempty"`
	Count      int      `json:"count,omitempty"`
	DurationMS *int64   `json:"duration_ms,omitempty"`
	// Connections of a worker that was led out, in its exit.
	Connections *Connections `json:"connections,omitempty"`
	Workers     []string     `json:"workers,omitempty"` // healed: ids of those that may have broken it
	// Of a roll: what is rolled in, and what served before.
	Release     *Info `json:"release,omitempty"`
	FromRelease *Info `json:"from_release,omitempty"`
}

// cost estimates the memory that an event takes.
func (e *Event) cost() int {
	n := eventCost + len(e.Data) + len(e.Text) + len(e.Reason) + len(e.Hint)
	for _, lines := range [][]string{e.Tail, e.Addresses, e.Workers} {
		for _, line := range lines {
			n += len(line) + 16
		}
	}
	return n
}

// eventCost is the memory of an event without its texts.
const eventCost = 600
