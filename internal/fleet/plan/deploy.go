package plan

import "time"

// State is what a deploy is at. The words are shown to users, and stored.
type State string

const (
	// Rolling gives turns until every machine that is present has the release.
	Rolling State = "rolling"
	// Paused gives no new turns; open turns continue. Left by resume, or by a failure.
	Paused State = "paused"
	// Held follows a failure, and gives no turns. Left by resume, rollback or abort.
	Held State = "held"
	// RollingBack gives turns to the machines that the deploy has changed: to go back.
	RollingBack State = "rolling back"
	// Complete gives turns only to machines that come back. Another deploy may begin.
	Complete State = "complete"
	// RolledBack is Complete for a deploy that was taken back.
	RolledBack State = "rolled back"
	// Aborted gives no turns, and is left by rollback only. Another deploy may begin.
	Aborted State = "aborted"
)

// States are all of them.
var States = [...]State{Rolling, Paused, Held, RollingBack, Complete, RolledBack, Aborted}

// Busy says that another deploy must not begin.
func (s State) Busy() bool { return s == Rolling || s == Paused || s == RollingBack }

// Over says that nothing happens any more unless an operator or a machine that comes back makes it.
func (s State) Over() bool { return s != Rolling && s != Paused && s != RollingBack }

// Deploy is how a release is rolled over the machines, and how far that is.
type Deploy struct {
	State State `json:"state"`
	// Back is the direction of what is done: machines go back to what they had.
	Back bool `json:"back,omitempty"`
	// Canary is how many machines get the release first; 0: the first wave is the first.
	Canary int `json:"canary"`
	// Wave is the most machines of a later stage, at least 1.
	Wave int `json:"wave"`
	// MaxUnavailable is how many machines may be away or have a fault for a new stage to begin; negative: any.
	MaxUnavailable int `json:"max_unavailable"`
	// Bake is how long the canary has to serve without a fault, WaveBake the machines of a later stage.
	Bake     time.Duration `json:"bake"`
	WaveBake time.Duration `json:"wave_bake"`
	// TurnTimeout is how long a machine may take for its turn.
	TurnTimeout time.Duration `json:"turn_timeout"`
	// RollBack says that a failure takes the release back from the machines that have it.
	RollBack bool `json:"roll_back,omitempty"`

	// Stage counts stages; 0: none has begun. Members are its machines. Open: it has not ended.
	Stage   int      `json:"stage"`
	Members []string `json:"members,omitempty"`
	Open    bool     `json:"open,omitempty"`
	// Proving says that the open stage is the canary, Proven that a canary has passed.
	Proving bool `json:"proving,omitempty"`
	Proven  bool `json:"proven,omitempty"`
	// Reason is why the deploy is held or was taken back.
	Reason string `json:"reason,omitempty"`
}

// Turn is what has become of the turn of a member of the open stage.
type Turn string

const (
	NoTurn Turn = ""       // no member
	Given  Turn = "given"  // not done: not begun, or under way
	Done   Turn = "done"   // the machine has what the turn wanted
	Failed Turn = "failed" // it has what it had before
)

// Machine is what is known of a machine.
type Machine struct {
	Name  string
	Group string // the value of the label that waves go by
	// Present: its agent is connected, and the app runs there.
	Present bool
	// Awaited: it is not present, but was a moment ago, as when etcd has just lost its leader.
	Awaited bool
	// Has: it runs the release of the deploy. Changed: since a turn of this deploy.
	Has, Changed bool
	Turn         Turn
	// Working: it puts a release in place or rolls, whatever has become of its turn meanwhile.
	Working bool
	// Fault is what is wrong with the app there; empty: nothing. Error is why its turn failed.
	Fault, Error string
}

// Seen is what the conductor has seen by its own clock, so that no clock of another machine matters.
type Seen struct {
	// Waited is the time since the deploy was last changed. Baked is the time since the last member
	// of the open stage has done its turn; for a canary, the time since then that it was present without a break.
	Waited, Baked time.Duration
	// Unchecked: the deploy has a check, and it has not passed in this stage. CheckFailed is why it failed.
	Unchecked   bool
	CheckFailed string
}
