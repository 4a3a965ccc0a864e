package test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"relevo/internal/testport"
)

// metrics reads counters and gauges from an address, by "name reason=value".
func (s *site) metrics(address string) (found map[string]float64, ok bool) {
	s.t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return nil, false
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		s.t.Fatalf("cannot read the metrics: %v", err)
	}
	found = map[string]float64{}
	for name, family := range families {
		for _, m := range family.Metric {
			key := name
			for _, l := range m.Label {
				if l.GetName() != "app" {
					key += " " + l.GetName() + "=" + l.GetValue()
				}
			}
			found[key] = m.Counter.GetValue() + m.Gauge.GetValue()
		}
	}
	return found, true
}

// TestMetrics: each event is counted once, and the counters continue over an upgrade and a kill -9
// of a worker. /readyz follows the app.
func TestMetrics(t *testing.T) {
	t.Parallel()
	address := testport.Address(t)
	s := newSite(t, "-n", "2", "--canary", "0s", "--watch-binary=false", "--metrics", address)
	s.release("2", "serve")
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	master := s.status().PID
	s.renew()
	if code, said := s.relevo("upgrade", "site"); code != 0 {
		t.Fatalf("upgrade: %d %s", code, said)
	}
	s.await("the next master", func() bool { return s.status().PID != master })
	syscall.Kill(s.status().Workers[0].PID, syscall.SIGKILL)
	want := map[string]float64{
		"relevo_worker_starts_total reason=first":   2,
		"relevo_worker_starts_total reason=roll":    2,
		"relevo_worker_starts_total reason=respawn": 1,
		"relevo_worker_deaths_total reason=asked":   2,
		"relevo_worker_deaths_total reason=signal":  1,
		"relevo_rolls_total result=ok":              1,
		"relevo_upgrades_total result=ok":           1,
		"relevo_adopted_workers_total":              2,
		"relevo_workers state=serving":              2,
		"relevo_config_last_reload_successful":      1,
	}
	var got map[string]float64
	s.await("the counters", func() bool {
		var ok bool
		if got, ok = s.metrics(address); !ok {
			return false
		}
		for name, value := range want {
			if got[name] != value {
				return false
			}
		}
		return true
	})
	if b := s.status().Build; b.Go != runtime.Version() {
		t.Errorf("the master's build is %+v, want Go %s", b, runtime.Version())
	}
	if got["relevo_worker_resident_memory_bytes slot=0"] < 1<<20 || got["process_open_fds"] < 3 {
		t.Errorf("the worker's memory and the master's descriptors: %v", got)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || string(text) != "ok\n" {
			t.Errorf("%s answers %d %q", path, answer.StatusCode, text)
		}
	}
	if _, err := s.client.Status(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if _, err := http.Get("http://" + address + "/livez"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("after the end of the app: %v", err)
	}
}

// TestMetricsPort: relevo status shows the port that the kernel chose, which stays the same over an
// upgrade.
func TestMetricsPort(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"tableflip", "exec"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "-n", "1", "--watch-binary=false", "--metrics", "127.0.0.1:0", "--upgrade", way)
			s.await("the address of the metrics", func() bool { return s.status().Metrics != "" })
			address := s.status().Metrics
			if _, served := s.metrics(address); !served {
				t.Fatalf("no metrics at %s", address)
			}
			before := s.status().Successions
			s.renew()
			if code, said := s.relevo("upgrade", "site"); code != 0 {
				t.Fatalf("upgrade: %d %s", code, said)
			}
			s.await("the next master", func() bool { return s.status().Successions > before })
			s.await("the metrics at the same address", func() bool {
				got, served := s.metrics(address)
				return served && got["relevo_upgrades_total result=ok"] == 1
			})
			if now := s.status().Metrics; now != address {
				t.Errorf("relevo status shows %s, want %s", now, address)
			}
			if _, said := s.relevo("status", "site"); !strings.Contains(said, "metrics at http://"+address+"/metrics\n") {
				t.Errorf("relevo status prints\n%s", said)
			}
		})
	}
}
