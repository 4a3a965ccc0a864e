package prove

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Connections names what the clients do with a connection after an answer.
type Connections string

const (
	// Fresh opens a new connection for every request.
	Fresh Connections = "fresh"
	// KeepAlive uses a connection until the server closes it.
	KeepAlive Connections = "keepalive"
	// Both runs Fresh and KeepAlive at the same time. It is the default.
	Both Connections = "both"
	// HTTP2 sends requests as streams on few connections.
	HTTP2 Connections = "http2"
	// WebSocket sends messages and waits for their echo, a connection for each client.
	WebSocket Connections = "websocket"
)

// known says whether c is one of the constants.
func (c Connections) known() bool {
	return slices.Contains([]Connections{Fresh, KeepAlive, Both, HTTP2, WebSocket}, c)
}

// modes lists the connection modes that run at the same time.
func (c Connections) modes() []Connections {
	if c == Both {
		return []Connections{Fresh, KeepAlive}
	}
	return []Connections{c}
}

// Options say what to load, how, and what to do to the app meanwhile. Only URL
// is needed.
type Options struct {
	// URL is http://HOST[:PORT]/PATH, https://…, or unix:/SOCKET[:/PATH] (also
	// unix:@NAME[:/PATH], an abstract socket). A host name is resolved once: the
	// load goes to the first of its addresses that answers.
	URL string
	// Clients is the number of clients of each connection mode; with HTTP2 it is how many streams
	// are open at a time. Default 32.
	Clients int
	// Connections chooses the connection modes. Default Both.
	Connections Connections

	// Rate is how many requests a second each connection mode sends by schedule, whatever the
	// answers take; Clients and Pause then have no effect. The latency of a request counts from when
	// it was due. Default 0: each client sends its next request after the answer.
	Rate int
	// Pause is how long a client waits after an answer before it sends its next request.
	// Default 0: as many requests as the app and the machine can take.
	Pause time.Duration

	// Method of every request. Default GET.
	Method string
	// Body of every request. Default none; HTTP2 and WebSocket send none.
	Body []byte
	// Headers of every request, "Host" included. Default none.
	Headers http.Header
	// Timeout bounds one request: connect, send and the whole answer. Default 10s.
	Timeout time.Duration
	// Expect is the first digit of the status that is ok, 2 to 5. Default 0: any
	// status below 500.
	Expect int

	// CA holds the authorities that may sign an https server's certificate.
	// Default: the system's.
	CA *x509.CertPool
	// Insecure accepts any certificate, a self-signed one too. Default false.
	Insecure bool

	// Target is the app as its master knows it. Default nil: the run is a load
	// without rolls and kills.
	Target Target
	// Rolls is the number of rolls, one after the other. Default 20 with a Target
	// and without Kill, otherwise 0. With Kill both happen at the same time. NoRolls is
	// a load alone.
	Rolls int
	// Kill kills one serving worker after the other, round the slots, with
	// SIGKILL. It needs a Target. Default false.
	Kill bool
	// KillEvery is the time from one kill to the next; it grows where the
	// replacement takes longer to serve. Default 500ms.
	KillEvery time.Duration
	// During is run Times times under the load, one run after the other, to have any server replace
	// its processes; Command names it. It excludes Target. An error that wraps ErrCannotRun ends
	// the run. Default nil.
	During  func(ctx context.Context) error
	Command string
	// Times is how often During is run. Default 20.
	Times int
	// Every is the time from the beginning of one run of During to the next, and how long the load
	// continues after the last one. Default 1s.
	Every time.Duration
	// MaxLost is how many requests may be lost: Report.Proven judges by it. Default 0.
	MaxLost int

	// Duration is how long the load lasts at least; rolls that take longer are made to the
	// end. Default 10s without Rolls, otherwise 0.
	Duration time.Duration
	// MinRequests makes the run, its rolls and its kills continue until every
	// connection mode has finished so many requests. Default 0.
	MinRequests int

	// Progress is told about once a second, and after every roll. The calls come
	// one at a time, the last one before Run returns. Default nil.
	Progress func(Progress)
	// Answered is called once, when the first request of the load has been answered: from
	// then on the app is under load. If no request is answered, it is not called. It returns
	// before Run does. Default nil.
	Answered func()
}

// NoRolls in Options.Rolls means that there is no roll.
const NoRolls = -1

// Progress is the state of a run.
type Progress struct {
	Elapsed              time.Duration
	Sent, OK, Lost, Held int64
	Rolls, FailedRolls   int
	Kills                int
	Unprocessed          int64 // see Figures
	Runs, FailedRuns     int   // of During
	// Roll is the roll that has just ended, nil in the regular calls.
	Roll *Roll
}

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Clients, 32)
	setDefault(&o.Connections, Both)
	setDefault(&o.Method, http.MethodGet)
	setDefault(&o.Timeout, 10*time.Second)
	setDefault(&o.KillEvery, 500*time.Millisecond)
	if o.During != nil {
		setDefault(&o.Times, 20)
		setDefault(&o.Every, time.Second)
	}
	if o.Target != nil && !o.Kill {
		setDefault(&o.Rolls, 20)
	}
	if o.Rolls == NoRolls {
		o.Rolls = 0
	}
	if o.Rolls == 0 && o.During == nil || o.Kill {
		setDefault(&o.Duration, 10*time.Second)
	}
	return o, o.validate()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	switch {
	case o.Clients < 0, o.Timeout < 0, o.Pause < 0, o.Rolls < 0, o.KillEvery < 0, o.Duration < 0,
		o.MinRequests < 0, o.Times < 0, o.Every < 0, o.Rate < 0, o.MaxLost < 0:
		return errors.New("cannot prove: a number or duration of the options is negative")
	case !o.Connections.known():
		return fmt.Errorf("cannot prove: unknown connections %q: use fresh, keepalive or both", o.Connections)
	case o.Connections == HTTP2 && len(o.Body) > 0:
		return errors.New("cannot prove: a request of HTTP/2 has no body here: leave the body out")
	case o.Expect != 0 && (o.Expect < 2 || o.Expect > 5):
		return fmt.Errorf("cannot prove: %d is no status class: use 2 to 5, or 0 for any status below 500", o.Expect)
	case o.Target != nil && o.During != nil:
		return errors.New("cannot prove: Target and During exclude each other")
	case o.Target == nil && o.Kill:
		return errors.New("cannot kill workers: Options.Target is needed, which lists and signals them")
	case o.Target == nil && o.Rolls > 0:
		return errors.New("cannot roll: Options.Target is needed, which rolls")
	}
	return nil
}

// expected tells whether status is what the options ask for.
func (o Options) expected(status int) bool {
	if o.Expect == 0 {
		return status < 500
	}
	return status/100 == o.Expect
}
