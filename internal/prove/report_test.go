package prove

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func ms(n float64) Millis { return Millis(n * float64(time.Millisecond)) }

func sampleReport() Report {
	fresh := Figures{Sent: 1234, OK: 1230, Lost: Losses{Refused: 1, Reset: 2, EOF: 1}, Connections: 1234,
		Latency: Latency{P50: ms(0.4125), P90: ms(1), P99: ms(2.5), P999: ms(12.345), Slowest: ms(1234.5)}}
	kept := Figures{Sent: 1000000, OK: 999990, Held: 10, Connections: 32, LocalPorts: 7}
	total := Figures{Sent: 1001234, OK: 1001220, Held: 10, Lost: fresh.Lost, LocalPorts: 7, Latency: fresh.Latency}
	return Report{
		URL: "http://127.0.0.1:8080/", Duration: ms(61234), Clients: 32,
		Fresh: &fresh, KeepAlive: &kept, Total: total,
		LongestGap: ms(25), LongestGapAt: ms(4000),
		Rolls: &Rolls{Done: 19, Failed: 1, Replaced: 38, Reasons: notes{"canary of slot 0 died: exit status 2"}},
		Kills: &Kills{Count: 8, Failed: 1, Attribution: ByTime, AttributionReason: "no worker holds a connection",
			RecoveryMedian: ms(31.2), RecoveryMax: ms(104), Unrecovered: 1, Errors: notes{"cannot stop worker 3"}},
		Samples: []Sample{
			{At: ms(1500), Connections: Fresh, Class: "refused", Error: "dial: connection refused", Took: ms(0.05)},
			{At: ms(1600), Connections: KeepAlive, Class: "reset", Error: "read: connection reset", Took: ms(1),
				ConnectionAge: ms(500), Served: 41, Local: "127.0.0.2:40000"},
		},
	}
}

const sampleText = `http://127.0.0.1:8080/  1m1.23s  32 clients per row

   requests       sent         ok  held  lost  refused  reset  eof  timeout  5xx  other
      fresh      1,234      1,230     0     4        1      2    1        0    0      0
  keepalive  1,000,000    999,990    10     0        0      0    0        0    0      0
      total  1,001,234  1,001,220    10     4        1      2    1        0    0      0

    latency      p50  p90    p99    p99.9  slowest
      fresh  412.5µs  1ms  2.5ms  12.35ms    1.23s
  keepalive       0s   0s     0s       0s       0s
      total  412.5µs  1ms  2.5ms  12.35ms    1.23s

longest gap without an answer: 25ms, at 4s
rolls: 19 done, 1 failed, 38 workers replaced
  failed: canary of slot 0 died: exit status 2
kills: 8 done, 1 failed; replacement serving after 31.2ms (median), 104ms (max); 1 never replaced
  held is a guess by time: no worker holds a connection
  failed: cannot stop worker 3
not sent: 7, this machine was out of local ports: use fewer clients, or widen net.ipv4.ip_local_port_range

the first 2 lost:
  at 1.5s  fresh  refused  after 50µs: dial: connection refused
  at 1.6s  keepalive  reset  after 1ms, connection of 127.0.0.2:40000 open for 500ms, request 42 on it: ` +
	"read: connection reset\n"

func TestWriteText(t *testing.T) {
	var b strings.Builder
	if err := sampleReport().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleText, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWriteTextWithoutTarget(t *testing.T) {
	r := sampleReport()
	r.KeepAlive, r.Rolls, r.Kills, r.Samples, r.Total.LocalPorts = nil, nil, nil, nil, 0
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"held", "total", "keepalive", "rolls", "kills", "the first", "not sent"} {
		if strings.Contains(b.String(), absent) {
			t.Errorf("%q in\n%s", absent, b.String())
		}
	}
}

func TestReportJSON(t *testing.T) {
	r := sampleReport()
	r.Started = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"duration_ms":61234,`, `"p50_ms":0.413`, `"held":10,"lost":{"refused":0,`, `"status_5xx":0`, `"attribution":"time"`,
		`"lost":{"refused":1,"reset":2,"eof":1,"timeout":0,"status_5xx":0,"other":0}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	r.Fresh.Latency.P50, r.Total.Latency.P50 = ms(0.413), ms(0.413) // to the microsecond
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
}

func TestJSONWithoutLossHasSamples(t *testing.T) {
	l := &load{options: Options{Connections: Fresh}}
	text, _ := json.Marshal(l.report())
	if !strings.Contains(string(text), `"samples":[]`) || strings.Contains(string(text), "keepalive") {
		t.Errorf("%s", text)
	}
}
