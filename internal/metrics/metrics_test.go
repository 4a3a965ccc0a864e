package metrics

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"relevo/internal/control"
	"relevo/internal/footprint"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/tally"
)

// full is an app that has something of everything.
func full() App {
	at := time.Unix(2_000_000_000, 500_000_000)
	waiting, limit, dropped, load := 3, 4096, 7, 0.25
	var counts tally.Tally
	counts.Started(machine.CauseRoll)
	counts.Started(machine.CauseCron)
	counts.Died(tally.OOM)
	counts.Rolled(machine.RolledBack, at, at.Add(3*time.Second))
	counts.Rolled(machine.OK, at, at.Add(time.Hour))
	counts.Heal("127.0.0.1:80")
	return App{
		Status: control.Status{
			Name: "we\"b\\\n", PID: 1, Version: "v1", Build: control.Build{Go: "go1.99", Revision: "abc"}, FailedUpgrades: 2,
			Listeners: []control.Listener{{Name: "http", Address: "127.0.0.1:80",
				Queue: &control.Queue{Waiting: &waiting, Limit: &limit, Dropped: &dropped}}},
			Scale: &control.Scale{Min: 2, Max: 8}, Successions: 4, NextRoll: at,
			Status: pool.Status{
				Generation: 3, Slots: 2, Release: &pool.Info{SHA256: "0123456789abcdef", Version: "2.0"},
				LastRoll: &pool.RollResult{Result: machine.RolledBack}, Counts: counts,
				Connections: pool.Connections{Finished: 5, Rescued: 2, Cut: 1},
				Workers: []pool.Worker{
					{Slot: 0, ID: "1", PID: 10, State: "draining", Started: at.Add(-time.Hour)},
					{Slot: 0, ID: "3", PID: 12, State: "serving", Started: at, Load: &load, LastPing: at,
						Health: &pool.Health{OK: true}},
					{Slot: 1, ID: "", State: "backoff"},
				},
			},
		},
		Workers: map[int]footprint.Footprint{
			10: {CPU: time.Hour, Memory: 1, Connections: 99, Connected: true},
			12: {CPU: 1500 * time.Millisecond, Memory: 1 << 20, Connections: 6, Connected: true},
		},
		Processes: map[int]Process{
			1:  {CPU: time.Second, Resident: 1 << 22, Threads: 7, Files: 20, MaxFiles: 1024},
			12: {Threads: 11, Files: -1, MaxFiles: -1},
		},
	}
}

// values are the samples in the plain format, as Prometheus' parser reads them.
func values(t *testing.T, apps ...App) map[string]float64 {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, text, pageOf(apps)); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&out)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		family := families[name]
		if family.GetHelp() == "" || family.GetType() == dto.MetricType_UNTYPED {
			t.Errorf("%s: help %q, type %s", name, family.GetHelp(), family.GetType())
		}
		for _, m := range family.Metric {
			key := name
			for _, l := range m.Label {
				if l.GetName() != "app" {
					key += " " + l.GetName() + "=" + l.GetValue()
				} else if l.GetValue() != "we\"b\\\n" && l.GetValue() != "other" {
					t.Errorf("%s: app %q", name, l.GetValue())
				}
			}
			switch {
			case m.Histogram != nil:
				found[key+" sum"] = m.Histogram.GetSampleSum()
				found[key+" count"] = float64(m.Histogram.GetSampleCount())
				for _, b := range m.Histogram.Bucket {
					if b.GetUpperBound() == 5 {
						found[key+" 5s"] = float64(b.GetCumulativeCount())
					}
				}
			case m.Counter != nil:
				found[key] = m.Counter.GetValue()
			default:
				found[key] = m.Gauge.GetValue()
			}
		}
	}
	return found
}

func pageOf(apps []App) []Family {
	p := newPage()
	p.apps(apps)
	return p.families
}

// TestNames: each name that dashboards and alerts use has its value, and what is not known is
// left out.
func TestNames(t *testing.T) {
	got := values(t, full())
	want := map[string]float64{
		"relevo_build_info version=v1 goversion=go1.99 revision=abc":            1,
		"relevo_release_info release=0123456789ab version=2.0 generation=3":     1,
		"relevo_workers state=serving":                                          1,
		"relevo_workers state=draining":                                         1,
		"relevo_workers state=backoff":                                          1,
		"relevo_workers state=killing":                                          0,
		"relevo_workers_desired":                                                2,
		"relevo_workers_max":                                                    8,
		"relevo_upgrades_total result=ok":                                       4,
		"relevo_upgrades_total result=failed":                                   2,
		"relevo_worker_last_ping_timestamp_seconds slot=0":                      2_000_000_000.5,
		"relevo_worker_starts_total reason=roll":                                1,
		"relevo_worker_starts_total reason=watchdog":                            0,
		"relevo_worker_starts_total reason=cron":                                1,
		"relevo_worker_deaths_total reason=oom":                                 1,
		"relevo_rolls_total result=rolled_back":                                 1,
		"relevo_rolls_total result=superseded":                                  0,
		"relevo_roll_duration_seconds sum":                                      3603,
		"relevo_roll_duration_seconds count":                                    2,
		"relevo_roll_duration_seconds 5s":                                       1,
		"relevo_ready_duration_seconds count":                                   0,
		"relevo_config_last_reload_successful":                                  0,
		"relevo_config_last_reload_success_timestamp_seconds":                   2_000_003_600.5,
		"relevo_next_roll_timestamp_seconds":                                    2_000_000_000.5,
		"relevo_led_out_connections_total outcome=rescued":                      2,
		"relevo_listener_accept_queue listener=http address=127.0.0.1:80":       3,
		"relevo_listener_accept_queue_limit listener=http address=127.0.0.1:80": 4096,
		"relevo_listener_drops_total listener=http address=127.0.0.1:80":        7,
		"relevo_listener_healed_total listener=http address=127.0.0.1:80":       1,
		"relevo_worker_cpu_seconds_total slot=0":                                1.5,
		"relevo_worker_resident_memory_bytes slot=0":                            1 << 20,
		"relevo_worker_connections slot=0":                                      6,
		"relevo_worker_load_ratio slot=0":                                       0.25,
		"relevo_worker_healthy slot=0":                                          1,
		"relevo_worker_threads slot=0":                                          11,
		"process_cpu_seconds_total":                                             1,
		"process_resident_memory_bytes":                                         1 << 22,
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %v (%t), want %v", name, v, ok, value)
		}
	}
	for _, name := range []string{"relevo_worker_open_fds slot=0", "relevo_worker_start_time_seconds slot=1",
		"relevo_worker_last_ping_timestamp_seconds slot=1"} {
		if v, ok := got[name]; ok {
			t.Errorf("%s is %v although it is not known", name, v)
		}
	}
	empty := values(t, App{Status: control.Status{Name: "other"}})
	for _, name := range []string{"relevo_config_last_reload_successful", "relevo_workers_min", "process_threads",
		"relevo_next_roll_timestamp_seconds", "relevo_listener_drops_total"} {
		if v, ok := empty[name]; ok {
			t.Errorf("of an app that has just begun %s is %v", name, v)
		}
	}
}

// TestOlderMaster: a master that does not count has no counters, and not ones that are 0. One that has counted
// nothing so far has them.
func TestOlderMaster(t *testing.T) {
	shown := func(s control.Status) string {
		var out strings.Builder
		if err := Write(&out, text, pageOf([]App{{Status: s}})); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	older := full().Status
	older.Counts = tally.Tally{}
	begins := older
	begins.Workers = nil
	for _, name := range []string{"relevo_worker_starts_total", "relevo_worker_deaths_total", "relevo_rolls_total",
		"relevo_adopted_workers_total", "relevo_roll_duration_seconds_count", "relevo_listener_healed_total"} {
		if strings.Contains(shown(older), name+"{") {
			t.Errorf("%s is shown of a master that does not count", name)
		}
		if !strings.Contains(shown(begins), name+"{") {
			t.Errorf("%s is not shown of a master that begins", name)
		}
	}
	if !strings.Contains(shown(older), "relevo_workers_desired{") {
		t.Error("what an older master knows is not shown")
	}
}

// TestFormats: which format a client gets, and how they differ. Nothing of an earlier answer is in the next.
func TestFormats(t *testing.T) {
	var reader Reader
	gone := full()
	gone.Status.Name = "gone"
	first := httptest.NewRequest(http.MethodGet, "/", nil)
	reader.answer(httptest.NewRecorder(), first, func(p *page) { p.apps([]App{gone}) })
	const openMetrics = "application/openmetrics-text"
	for accept, want := range map[string]string{
		"":                                       "text/plain",
		"*/*":                                    "text/plain",
		"text/plain":                             "text/plain",
		openMetrics + ";q=0":                     "text/plain",
		openMetrics + ";q=0.3, text/plain;q=0.9": "text/plain",
		openMetrics:                              openMetrics,
		// Prometheus 3 asks so.
		openMetrics + ";version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2": openMetrics,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		reader.answer(w, r, func(p *page) { p.apps([]App{full(), {Status: control.Status{Name: "other"}}}) })
		body := w.Body.String()
		if strings.Contains(body, `"gone"`) {
			t.Errorf("Accept %q: an app of an earlier answer is in the text", accept)
		}
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, want+";") {
			t.Errorf("Accept %q gets %q, want %s", accept, got, want)
		}
		isOpen := want == openMetrics
		for text, inOpen := range map[string]bool{
			"\n# TYPE relevo_rolls counter\n": true, "\n# TYPE relevo_rolls_total counter\n": false,
			"# TYPE relevo_build info\n": true, "# TYPE relevo_build_info gauge\n": false,
		} {
			if strings.Contains(body, text) != (inOpen == isOpen) {
				t.Errorf("Accept %q: %q is in the text: %t", accept, text, !(inOpen == isOpen))
			}
		}
		if strings.HasSuffix(body, "\n# EOF\n") != isOpen {
			t.Errorf("Accept %q: the text ends with %q", accept, body[len(body)-10:])
		}
		if n := strings.Count(body, "TYPE relevo_workers "); n != 1 {
			t.Errorf("Accept %q: the type of relevo_workers is told %d times", accept, n)
		}
	}
}

// TestPage: docs/metrics.md has all names, and no others.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Names")
	told, made := map[string]bool{}, map[string]bool{}
	for _, name := range regexp.MustCompile("`((?:relevo|process)_[a-z_]+)`").FindAllStringSubmatch(table, -1) {
		told[name[1]] = true
	}
	suffixes := map[kind]string{counter: "_total", info: "_info"}
	all := full()
	files := all.Processes[12]
	files.Files, files.MaxFiles = 3, 4
	all.Processes[12] = files
	p := newPage()
	p.up([]App{all}, nil)
	p.apps([]App{all})
	for _, f := range p.families {
		made[f.name+suffixes[f.kind]] = true
	}
	for name := range made {
		if !told[name] {
			t.Errorf("docs/metrics.md does not tell of %s", name)
		}
	}
	for name := range told {
		if !made[name] {
			t.Errorf("docs/metrics.md tells of %s, which is not there", name)
		}
	}
}

// TestServes: an app that sleeps answers its clients, as one does in which a worker serves.
func TestServes(t *testing.T) {
	t.Parallel()
	serving := []pool.Worker{{State: "serving"}}
	for what, test := range map[string]struct {
		s    pool.Status
		want bool
	}{
		"a worker serves":  {pool.Status{State: "running", Workers: serving}, true},
		"none serves":      {pool.Status{State: "running", Workers: []pool.Worker{{State: "starting"}}}, false},
		"the app sleeps":   {pool.Status{State: "asleep", Asleep: time.Now()}, true},
		"the app wakes":    {pool.Status{State: "running", Waking: true, Workers: []pool.Worker{{State: "starting"}}}, true},
		"the app is ended": {pool.Status{State: "halting", Workers: serving}, false},
	} {
		if got := Serves(control.Status{Status: test.s}); got != test.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}
