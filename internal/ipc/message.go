// Package ipc is the wire between a master and its workers: a socketpair per
// worker that carries one JSON value a line, both ways, in the framing of Node's
// child-process channel (serialization mode "json"), so that a Node worker
// speaks it with process.send and process.on('message').
//
// An object with a "relevo" key is one of this package's messages. Every other
// JSON value belongs to the application and passes through untouched.
//
// The package also serves the workers' notify socket, the datagram protocol of
// sd_notify(3).
package ipc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Protocol is the version that a Hello carries. A master refuses none; it uses
// the lower of the two versions.
const Protocol = 1

// Names of the environment variables by which a worker finds its place.
const (
	EnvName       = "RELEVO_NAME"       // the app's name
	EnvSlot       = "RELEVO_SLOT"       // the worker's slot, 0…N-1
	EnvWorker     = "RELEVO_WORKER"     // the worker's id, unique in the life of the app
	EnvGeneration = "RELEVO_GENERATION" // the generation it runs
	EnvFD         = "RELEVO_IPC_FD"     // the channel's file descriptor
	EnvControl    = "RELEVO_CONTROL"    // the master's control socket, absolute
)

// Message is one line on the wire. The set is closed: Hello, Ready, Draining,
// Drained, Status, Load, Pong (worker → master), Drain, State, Ping (master → worker),
// App (both ways) and Unknown.
type Message interface{ message() }

// Hello is a worker's first word: it speaks the protocol and wants to be asked
// to drain by message instead of by the stop signal.
type Hello struct {
	Protocol int `json:"protocol"`
	// Pong says that the worker answers each Ping, so that silence means that it
	// hangs.
	Pong bool `json:"pong,omitempty"`
}

// Ready says that the worker serves.
type Ready struct{}

// Draining reports that the worker no longer accepts and still holds Open connections.
type Draining struct {
	Open int `json:"open"`
}

// Drained says that everything accepted is finished; the worker is about to exit.
type Drained struct{}

// Status is a line of text for people, shown by `relevo status`.
type Status struct {
	Text string `json:"text"`
}

// Load says how busy the worker is: 1 is all that it can do.
type Load struct {
	Value float64 `json:"value"`
	// Measured says that relevo's own code in a Node worker has measured it: it is not the program's word.
	Measured bool   `json:"measured,omitempty"`
	Wrong    string `json:"-"` // the value that is no number
}

// Drain asks the worker to quiesce and drain. After DeadlineMS milliseconds the
// master sends the stop signal, and later SIGKILL.
type Drain struct {
	DeadlineMS int64 `json:"deadline_ms"`
}

// Ping asks the worker for a sign of life.
type Ping struct{}

// Pong is the answer to a Ping.
type Pong struct{}

// State announces the pool to a worker: its own slot and generation and all
// workers, itself included. It is sent on each change; of several changes in a
// row a slow reader may see only the newest.
type State struct {
	Slot       int    `json:"slot"`
	Generation int    `json:"generation"`
	Workers    []Peer `json:"workers"`

	shared []byte // Workers on the wire, if rendered in advance
}

// ForAll returns a State without slot and generation that can be sent to many workers: the part
// that is the same for all of them is rendered once.
func ForAll(workers []Peer) (State, error) {
	shared, err := json.Marshal(workers)
	return State{Workers: workers, shared: shared}, err
}

// line is the message as envelope would render it.
func (s State) line() ([]byte, error) {
	if s.shared == nil {
		return envelope("state", s)
	}
	line := make([]byte, 0, len(s.shared)+80)
	line = fmt.Appendf(line, `{"relevo":"state","slot":%d,"generation":%d,"workers":`, s.Slot, s.Generation)
	return append(append(line, s.shared...), '}'), nil
}

// Peer is one worker as State announces it. State is a word of the
// pool: starting, serving, draining, stopping, killing.
type Peer struct {
	Slot       int    `json:"slot"`
	ID         string `json:"id"`
	PID        int    `json:"pid"`
	Generation int    `json:"generation"`
	State      string `json:"state"`
}

// App is a message of the application, the JSON value as it stood on the line.
type App struct {
	Data json.RawMessage

	line []byte // on the wire, if rendered in advance
}

// AppForAll returns an App that can be sent to many workers: it is rendered once, and is in memory
// once, however many workers do not read. The errors are those of Encode.
func AppForAll(data []byte) (App, error) {
	line, err := Encode(App{Data: data})
	return App{Data: data, line: line}, err
}

// Unknown is a message with a "relevo" key that this version does not know. A
// receiver ignores it, so that a newer peer may say more.
type Unknown struct {
	Kind string
}

func (Hello) message()    {}
func (Ready) message()    {}
func (Draining) message() {}
func (Drained) message()  {}
func (Status) message()   {}
func (Load) message()     {}
func (Drain) message()    {}
func (State) message()    {}
func (Ping) message()     {}
func (Pong) message()     {}
func (App) message()      {}
func (Unknown) message()  {}

// ErrReserved is returned by Encode for an application message that has a
// "relevo" key.
var ErrReserved = errors.New(`ipc: the key "relevo" is reserved`)

// ErrNotJSON is returned by Decode and Reader.Next.
var ErrNotJSON = errors.New("not one JSON value")

// Encode returns the message as one line, newline included. It returns
// ErrReserved, ErrLineTooLong, or an error for data that is not one JSON value.
func Encode(m Message) ([]byte, error) {
	if app, ok := m.(App); ok && app.line != nil {
		return app.line, nil
	}
	var line []byte
	var err error
	switch m := m.(type) {
	case Hello:
		line, err = envelope("hello", m)
	case Ready:
		line, err = envelope("ready", m)
	case Draining:
		line, err = envelope("draining", m)
	case Drained:
		line, err = envelope("drained", m)
	case Status:
		line, err = envelope("status", m)
	case Load:
		line, err = envelope("load", m)
	case Drain:
		line, err = envelope("drain", m)
	case State:
		line, err = m.line()
	case Ping:
		line, err = envelope("ping", m)
	case Pong:
		line, err = envelope("pong", m)
	case App:
		line, err = encodeApp(m)
	default:
		return nil, fmt.Errorf("internal error: cannot encode a message of type %T", m)
	}
	if err != nil {
		return nil, err
	}
	if len(line) > MaxLine {
		return nil, ErrLineTooLong
	}
	return append(line, '\n'), nil
}

// envelope renders body, a struct, with the message's kind as its first key.
func envelope(kind string, body any) ([]byte, error) {
	fields, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("cannot encode %q: %w", kind, err)
	}
	line := []byte(`{"relevo":"` + kind + `"`)
	if rest := fields[1 : len(fields)-1]; len(rest) > 0 {
		line = append(append(line, ','), rest...)
	}
	return append(line, '}'), nil
}

func encodeApp(m App) ([]byte, error) {
	var line bytes.Buffer
	if err := json.Compact(&line, m.Data); err != nil {
		return nil, fmt.Errorf("cannot send %.40q: it is not one JSON value: %w", m.Data, err)
	}
	if _, ours := kindOf(line.Bytes()); ours {
		return nil, ErrReserved
	}
	return line.Bytes(), nil
}

// Decode reads one line, without its newline. Errors mean that the peer does
// not speak the protocol; the channel should be closed.
func Decode(line []byte) (Message, error) {
	if !json.Valid(line) {
		return nil, fmt.Errorf("cannot read %.60q: %w", line, ErrNotJSON)
	}
	kind, ours := kindOf(line)
	if !ours {
		return App{Data: bytes.Clone(bytes.TrimSpace(line))}, nil
	}
	switch kind {
	case "hello":
		return decode[Hello](line)
	case "ready":
		return Ready{}, nil
	case "draining":
		return decode[Draining](line)
	case "drained":
		return Drained{}, nil
	case "status":
		return decode[Status](line)
	case "load":
		return decodeLoad(line), nil
	case "drain":
		return decode[Drain](line)
	case "state":
		return decode[State](line)
	case "ping":
		return Ping{}, nil
	case "pong":
		return Pong{}, nil
	}
	return Unknown{Kind: kind}, nil
}

func decode[M Message](line []byte) (Message, error) {
	var m M
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, fmt.Errorf("cannot read %.60q: %w", line, err)
	}
	return m, nil
}

// decodeLoad accepts a value that is no number: a worker that reports nothing useful has done no
// harm to the channel.
func decodeLoad(line []byte) Load {
	var l struct {
		Value    json.RawMessage
		Measured json.RawMessage
	}
	if json.Unmarshal(line, &l) != nil || len(l.Value) == 0 {
		return Load{Wrong: "nothing"}
	}
	var value *float64
	if json.Unmarshal(l.Value, &value) != nil || value == nil {
		return Load{Wrong: string(l.Value[:min(len(l.Value), maxBegin)])}
	}
	return Load{Value: *value, Measured: string(l.Measured) == "true"}
}

// kindOf returns the value of the "relevo" key. A value that is not a string
// counts as ours too, under a kind that no version will use.
func kindOf(line []byte) (kind string, ours bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) {
		return "", false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return "", false
	}
	value, ours := fields["relevo"]
	if ours && json.Unmarshal(value, &kind) != nil {
		kind = "?"
	}
	return kind, ours
}
