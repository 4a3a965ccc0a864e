package trace

import "time"

// Trace has the spans of one roll, which may be part of a larger trace.
type Trace struct {
	ID    [16]byte
	State string // tracestate of the parent
	Spans []Span // the span of the roll comes first
	// Generation is the generation that the roll started.
	Generation int
}

// Span is a part of a roll.
type Span struct {
	ID, Parent [8]byte // Parent is zero for the first span of a trace
	Name       string
	Start, End time.Time
	Attributes []Attribute
	Moments    []Moment
	Fault      string // why it failed; empty: it did not
	OK         bool   // it is known to have succeeded
}

// Attribute is a property. Value is a string, an int, an int64 or a bool.
type Attribute struct {
	Key   string
	Value any
}

// Moment is something that happened within a span: an event, in OpenTelemetry's words.
type Moment struct {
	Time       time.Time
	Name       string
	Attributes []Attribute
}
