package prove

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
)

// Millis is a duration that JSON shows as milliseconds, to the microsecond.
type Millis time.Duration

// MarshalJSON writes milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(math.Round(float64(m)/1e3) / 1e3)
}

// UnmarshalJSON reads milliseconds.
func (m *Millis) UnmarshalJSON(b []byte) error {
	var ms float64
	if err := json.Unmarshal(b, &ms); err != nil {
		return err
	}
	*m = Millis(math.Round(ms * 1e6))
	return nil
}

func (m Millis) String() string { return time.Duration(m).String() }

// Report has the results of a run.
type Report struct {
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
	Duration Millis    `json:"duration_ms"`
	Clients  int       `json:"clients"`             // of each connection mode; with Rate the most at a time
	Rate     int       `json:"rate,omitempty"`      // requests a second of each connection mode; 0: a closed loop
	CutShort bool      `json:"cut_short,omitempty"` // the context ended before all was done

	Fresh     *Figures `json:"fresh,omitempty"`     // nil: did not run
	KeepAlive *Figures `json:"keepalive,omitempty"` // nil: did not run
	HTTP2     *Figures `json:"http2,omitempty"`     // nil: did not run
	WebSocket *Figures `json:"websocket,omitempty"` // messages; nil: did not run
	Closes    *Closes  `json:"closes,omitempty"`    // of WebSockets; nil: did not run
	Total     Figures  `json:"total"`

	// LongestGap is the longest time without any answer, of whatever status, to any
	// client, after the first answer; LongestGapAt is when it began.
	LongestGap   Millis `json:"longest_gap_ms"`
	LongestGapAt Millis `json:"longest_gap_at_ms"`

	Rolls   *Rolls   `json:"rolls,omitempty"`  // nil: none were asked for
	Kills   *Kills   `json:"kills,omitempty"`  // nil: none were asked for
	During  *Runs    `json:"during,omitempty"` // nil: no command was to be run
	MaxLost int      `json:"max_lost"`         // so many lost requests are no failure
	Samples []Sample `json:"samples"`          // the first 10 lost requests

	// Left says what became of the connections of workers that left during the run, as the
	// master counts them; nil if no worker left. The caller of Run fills it in.
	Left *Left `json:"left,omitempty"`
}

// Left are the connections of workers that left.
type Left struct {
	Finished   int            `json:"finished"`
	Rescued    int            `json:"rescued"`
	HandedOver int            `json:"handed_over,omitempty"`
	Cut        int            `json:"cut"`
	Why        map[string]int `json:"cut_why,omitempty"`
	Text       string         `json:"-"` // the same in words
}

// Lost returns how many requests were lost.
func (r Report) Lost() int { return int(r.Total.Lost.Total()) }

// Proven says whether at most MaxLost requests were lost, all rolls and runs of the command succeeded,
// and a worker was killed if that was asked for. A kill may fail beside others: the worker may have just left.
func (r Report) Proven() bool {
	return r.Lost() <= r.MaxLost && (r.Rolls == nil || r.Rolls.Failed == 0) &&
		(r.During == nil || r.During.Failed == 0) && !r.noKill()
}

// noKill says that kills were asked for, and none succeeded although the run was not cut short.
func (r Report) noKill() bool { return r.Kills != nil && r.Kills.Count == 0 && !r.CutShort }

// Figures are the requests of one connection mode, or of all.
type Figures struct {
	// Sent = OK + Held + Unprocessed + Lost. A request that the end of the context cut short
	// is in none of them.
	Sent int64 `json:"sent"`
	OK   int64 `json:"ok"`
	Held int64 `json:"held"` // died with the killed worker that held them; only with Kill
	// Unprocessed counts streams that the server has refused by a GOAWAY or REFUSED_STREAM, so that
	// they may be sent again, and messages to a WebSocket that ended by a close frame.
	Unprocessed int64  `json:"unprocessed,omitempty"`
	Lost        Losses `json:"lost"`

	Connections int64 `json:"connections"` // opened
	LocalPorts  int64 `json:"local_ports"` // not sent: this machine had no port left
	LocalFiles  int64 `json:"local_files"` // not sent: this process may open no more files

	Latency Latency `json:"latency"`
}

// Losses counts lost requests by class; the package comment defines them.
type Losses struct {
	Refused   int64 `json:"refused"`
	Reset     int64 `json:"reset"`
	EOF       int64 `json:"eof"`
	Timeout   int64 `json:"timeout"`
	Status5xx int64 `json:"status_5xx"`
	Other     int64 `json:"other"`
}

// Total adds the classes up.
func (l Losses) Total() int64 {
	return l.Refused + l.Reset + l.EOF + l.Timeout + l.Status5xx + l.Other
}

// String names the classes with losses.
func (l Losses) String() string {
	var parts []string
	for _, class := range []struct {
		name string
		n    int64
	}{{"refused", l.Refused}, {"reset", l.Reset}, {"eof", l.EOF}, {"timeout", l.Timeout}, {"5xx", l.Status5xx},
		{"other", l.Other}} {
		if class.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", count(class.n), class.name))
		}
	}
	return strings.Join(parts, ", ")
}

// Latency is how long the ok requests took, from before the connect (Fresh) or the send
// (KeepAlive) to the last byte of the answer; with Options.Rate, from the time when the request
// was due, so that waiting counts. The quantiles are never too low and at most 3.2 % too high,
// the slowest is exact.
type Latency struct {
	P50     Millis `json:"p50_ms"`
	P90     Millis `json:"p90_ms"`
	P99     Millis `json:"p99_ms"`
	P999    Millis `json:"p999_ms"`
	Slowest Millis `json:"slowest_ms"`
}

// Rolls are the rolls of a run.
type Rolls struct {
	Done     int   `json:"done"`
	Failed   int   `json:"failed"`
	Replaced int   `json:"replaced"` // workers, in all rolls
	Reasons  notes `json:"reasons,omitempty"`
}

// How a run with Kill decides which requests a killed worker held.
const (
	BySockets = "sockets" // by the connections of the stopped worker: exact
	ByTime    = "time"    // all that broke within a second of a kill: a guess, for some kills or all
)

// Kills are the kills of a run.
type Kills struct {
	Count  int `json:"count"`
	Failed int `json:"failed"` // workers that could not be stopped or killed

	Attribution       string `json:"attribution"` // BySockets or ByTime
	AttributionReason string `json:"attribution_reason,omitempty"`
	ByTime            int    `json:"by_time"` // kills attributed by time although others had their sockets listed

	// Recovery is the time from SIGKILL until another worker served in the slot,
	// to 2 ms.
	RecoveryMedian Millis `json:"recovery_median_ms"`
	RecoveryMax    Millis `json:"recovery_max_ms"`
	Unrecovered    int    `json:"unrecovered"` // not replaced within 30 s

	Errors notes `json:"errors,omitempty"`
}

// Sample is one lost request.
type Sample struct {
	At            Millis      `json:"at_ms"` // since the start of the run
	Connections   Connections `json:"connections"`
	Class         string      `json:"class"`
	Error         string      `json:"error"`
	Took          Millis      `json:"took_ms"`
	ConnectionAge Millis      `json:"connection_age_ms"` // 0: it never opened
	Served        int         `json:"served"`            // complete answers on the connection
	Local         string      `json:"local,omitempty"`   // the client's address
}

// samples keeps the first few lost requests.
type samples struct {
	mu    sync.Mutex
	first []Sample
}

func (s *samples) add(make func() Sample) {
	const most = 10
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.first) < most {
		s.first = append(s.first, make())
	}
}

func (t *tally) losses() Losses {
	return Losses{
		Refused:   t.lost[refused].Load(),
		Reset:     t.lost[reset].Load(),
		EOF:       t.lost[eof].Load(),
		Timeout:   t.lost[timedOut].Load(),
		Status5xx: t.lost[status5xx].Load(),
		Other:     t.lost[other].Load(),
	}
}

func (l Losses) plus(m Losses) Losses {
	return Losses{
		l.Refused + m.Refused, l.Reset + m.Reset, l.EOF + m.EOF,
		l.Timeout + m.Timeout, l.Status5xx + m.Status5xx, l.Other + m.Other,
	}
}

// figures adds up the clients of a mode, "" for all. It is called after they have ended.
func (l *load) figures(mode Connections) *Figures {
	f := new(Figures)
	var h histogram
	for _, c := range l.all() {
		if mode != "" && mode != c.mode {
			continue
		}
		t := &c.tally
		f.OK += t.ok.Load()
		f.Held += t.held.Load()
		f.Unprocessed += t.unprocessed.Load()
		f.Lost = f.Lost.plus(t.losses())
		f.Connections += t.connections.Load()
		f.LocalPorts += t.lost[localPorts].Load()
		f.LocalFiles += t.lost[localFiles].Load()
		h.merge(&t.latency)
	}
	f.Sent = f.OK + f.Held + f.Unprocessed + f.Lost.Total()
	f.Latency = h.figures()
	return f
}

func (h *histogram) figures() Latency {
	return Latency{
		P50: Millis(h.quantile(0.5)), P90: Millis(h.quantile(0.9)),
		P99: Millis(h.quantile(0.99)), P999: Millis(h.quantile(0.999)),
		Slowest: Millis(h.slowest),
	}
}

// widest returns the number of clients of the mode that has most of them.
func (l *load) widest() (most int) {
	count := make(map[Connections]int)
	for _, c := range l.all() {
		count[c.mode]++
		most = max(most, count[c.mode])
	}
	return most
}

// report sums the load up. It is called after the load has ended.
func (l *load) report() Report {
	r := Report{
		URL: l.options.URL, Started: l.started, Duration: Millis(l.ended), Clients: l.options.Clients,
		Total:        *l.figures(""),
		LongestGap:   Millis(l.gaps.longest.Load()),
		LongestGapAt: Millis(l.gaps.at),
		Rate:         l.options.Rate,
		MaxLost:      l.options.MaxLost,
		Samples:      append([]Sample{}, l.samples.first...),
	}
	if r.Rate > 0 {
		r.Clients = l.widest()
	}
	for _, mode := range l.options.Connections.modes() {
		switch figures := l.figures(mode); mode {
		case Fresh:
			r.Fresh = figures
		case HTTP2:
			r.HTTP2 = figures
		case WebSocket:
			r.WebSocket, r.Closes = figures, l.closes.report()
		default:
			r.KeepAlive = figures
		}
	}
	return r
}
