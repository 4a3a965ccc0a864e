package trace

import (
	"encoding/binary"
	"time"
)

// message is a message of Protocol Buffers to which fields are appended. The field numbers come
// from opentelemetry/proto/trace/v1/trace.proto and the files beside it.
type message []byte

// The ways in which a field is written.
const (
	asVarint  = 0
	asFixed64 = 1
	asBytes   = 2
	asFixed32 = 5
)

func (m message) tag(field, wire int) message {
	return binary.AppendUvarint(m, uint64(field<<3|wire))
}

func (m message) number(field int, n uint64) message {
	return binary.AppendUvarint(m.tag(field, asVarint), n)
}

func (m message) bytes(field int, b []byte) message {
	return append(binary.AppendUvarint(m.tag(field, asBytes), uint64(len(b))), b...)
}

// text appends a text, unless it is empty.
func (m message) text(field int, s string) message {
	if s == "" {
		return m
	}
	return m.bytes(field, []byte(s))
}

func (m message) time(field int, t time.Time) message {
	return binary.LittleEndian.AppendUint64(m.tag(field, asFixed64), uint64(t.UnixNano()))
}

// encode makes an ExportTraceServiceRequest of a trace.
func encode(s *Settings, t Trace) []byte {
	var resource, scoped message
	for _, a := range s.Resource {
		resource = resource.bytes(1, a.encode())
	}
	scoped = scoped.bytes(1, message(nil).text(1, "relevo").text(2, s.Version))
	for _, span := range t.Spans {
		scoped = scoped.bytes(2, span.encode(t))
	}
	return message(nil).bytes(1, message(nil).bytes(1, resource).bytes(2, scoped))
}

// Values of Span.kind, Span.flags and Status.code.
const (
	internalKind = 1
	sampled      = 1
	statusOK     = 1
	statusError  = 2
)

func (s Span) encode(t Trace) (m message) {
	m = m.bytes(1, t.ID[:]).bytes(2, s.ID[:]).text(3, t.State)
	if s.Parent != [8]byte{} {
		m = m.bytes(4, s.Parent[:])
	}
	m = m.text(5, s.Name).number(6, internalKind).time(7, s.Start).time(8, s.End)
	for _, a := range s.Attributes {
		m = m.bytes(9, a.encode())
	}
	for _, moment := range s.Moments {
		event := message(nil).time(1, moment.Time).text(2, moment.Name)
		for _, a := range moment.Attributes {
			event = event.bytes(3, a.encode())
		}
		m = m.bytes(11, event)
	}
	switch {
	case s.Fault != "":
		m = m.bytes(15, message(nil).text(2, s.Fault).number(3, statusError))
	case s.OK:
		m = m.bytes(15, message(nil).number(3, statusOK))
	}
	return binary.LittleEndian.AppendUint32(m.tag(16, asFixed32), sampled)
}

func (a Attribute) encode() message {
	var value message
	switch v := a.Value.(type) {
	case string:
		value = value.bytes(1, []byte(v))
	case bool:
		value = value.number(2, map[bool]uint64{true: 1}[v])
	case int:
		value = value.number(3, uint64(v))
	case int64:
		value = value.number(3, uint64(v))
	}
	return message(nil).text(1, a.Key).bytes(2, value)
}
