package trace

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings say where traces go and what they have in common.
type Settings struct {
	URL      string
	Headers  http.Header
	Timeout  time.Duration // of one trace, with all tries
	Gzip     bool
	Resource []Attribute // of the process that sends
	Version  string      // of relevo
	Parent   Parent      // of the rolls that a command begins
}

// Parent is the span that a roll is a part of.
type Parent struct {
	Trace   [16]byte
	Span    [8]byte
	State   string // tracestate
	Ignored bool   // its trace is not recorded, so the roll is not recorded either
}

func (p Parent) there() bool { return p.Span != [8]byte{} }

const (
	defaultTimeout = 10 * time.Second
	tracesPath     = "/v1/traces"
)

// FromEnvironment reads the variables of OpenTelemetry. It returns nil if they ask for no traces.
func FromEnvironment(getenv func(string) string, version string) (*Settings, error) {
	endpoint := endpointOf(getenv)
	if endpoint == "" || strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true") ||
		getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	s := &Settings{URL: endpoint, Version: version, Timeout: defaultTimeout, Headers: http.Header{},
		Parent: parentOf(getenv("TRACEPARENT"), getenv("TRACESTATE"))}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("cannot send traces to %q: write a URL such as http://127.0.0.1:4318 "+
			"(OTEL_EXPORTER_OTLP_ENDPOINT)", withoutUser(endpoint))
	}
	if p := ofTraces(getenv, "PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, fmt.Errorf("cannot send traces by %q: relevo speaks http/protobuf alone "+
			"(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL); collectors take it at port 4318", p)
	}
	if e := getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		return nil, fmt.Errorf("cannot send traces by %q: relevo has otlp and none (OTEL_TRACES_EXPORTER)", e)
	}
	if err := s.readDetails(getenv); err != nil {
		return nil, err
	}
	return s, nil
}

// endpointOf returns the URL for traces. A general endpoint gets the path of the protocol.
func endpointOf(getenv func(string) string) string {
	if own := strings.TrimSpace(getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")); own != "" {
		return own
	}
	general := strings.TrimSpace(getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	if general == "" {
		return ""
	}
	return strings.TrimSuffix(general, "/") + tracesPath
}

// withoutUser removes the name and the password before the host of a URL, so that it can be
// printed. It does the same with a text that is no URL, because a mistyped URL may have a password.
func withoutUser(endpoint string) string {
	before, rest, found := strings.Cut(endpoint, "://")
	if !found {
		before, rest = "", endpoint
	} else {
		before += "://"
	}
	return before + rest[strings.LastIndexByte(rest, '@')+1:]
}

// ofTraces returns the variable for traces, or the general one if that is not set.
func ofTraces(getenv func(string) string, name string) string {
	if own := getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); own != "" {
		return own
	}
	return getenv("OTEL_EXPORTER_OTLP_" + name)
}

func (s *Settings) readDetails(getenv func(string) string) error {
	if text := ofTraces(getenv, "TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return fmt.Errorf("cannot use the time %q for traces: write milliseconds (OTEL_EXPORTER_OTLP_TIMEOUT)", text)
		}
		s.Timeout = time.Duration(ms) * time.Millisecond
	}
	switch c := ofTraces(getenv, "COMPRESSION"); c {
	case "gzip":
		s.Gzip = true
	case "", "none":
	default:
		return fmt.Errorf("cannot compress traces with %q: relevo has gzip and none (OTEL_EXPORTER_OTLP_COMPRESSION)", c)
	}
	headers, err := pairs(ofTraces(getenv, "HEADERS"))
	if err != nil {
		return fmt.Errorf("cannot use the headers for traces: write NAME=VALUE,NAME=VALUE (OTEL_EXPORTER_OTLP_HEADERS)")
	}
	for _, h := range headers {
		s.Headers.Add(h.Key, h.Value.(string))
	}
	return s.readResource(getenv)
}

// readResource collects what describes the process that sends the traces. Attributes that the
// user has set win.
func (s *Settings) readResource(getenv func(string) string) error {
	set, err := pairs(getenv("OTEL_RESOURCE_ATTRIBUTES"))
	if err != nil {
		return fmt.Errorf("cannot use OTEL_RESOURCE_ATTRIBUTES: write NAME=VALUE,NAME=VALUE")
	}
	if name := getenv("OTEL_SERVICE_NAME"); name != "" {
		set = append([]Attribute{{"service.name", name}}, set...)
	}
	own := []Attribute{{"service.name", "relevo"}, {"service.version", s.Version}, {"telemetry.sdk.name", "relevo"},
		{"telemetry.sdk.language", "go"}, {"telemetry.sdk.version", s.Version}}
	for _, a := range append(set, own...) {
		known := slices.ContainsFunc(s.Resource, func(b Attribute) bool { return a.Key == b.Key })
		// If the user has named another service, its version is not relevo's.
		if !known && !(a.Key == "service.version" && s.Resource[0].Value != "relevo" && a == own[1]) {
			s.Resource = append(s.Resource, a)
		}
	}
	return nil
}

// pairs parses NAME=VALUE,NAME=VALUE; a value may be percent-encoded, as in a URL.
func pairs(text string) (all []Attribute, err error) {
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if value, err = url.PathUnescape(value); err != nil || !found || name == "" {
			return nil, fmt.Errorf("%q is no NAME=VALUE", pair)
		}
		all = append(all, Attribute{name, value})
	}
	return all, nil
}

// parentOf parses the header of the W3C's Trace Context. An invalid header counts as absent.
func parentOf(text, state string) (p Parent) {
	parts := strings.Split(strings.TrimSpace(text), "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) > 4 {
		return p
	}
	var flags [1]byte
	for i, into := range [][]byte{p.Trace[:], p.Span[:], flags[:]} {
		bytes, err := hex.DecodeString(parts[i+1])
		if err != nil || len(bytes) != len(into) || parts[i+1] != strings.ToLower(parts[i+1]) {
			return Parent{}
		}
		copy(into, bytes)
	}
	if p.Trace == [16]byte{} || !p.there() {
		return Parent{}
	}
	p.State, p.Ignored = strings.TrimSpace(state), flags[0]&1 == 0
	return p
}
