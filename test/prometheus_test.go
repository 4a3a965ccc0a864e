package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// TestPrometheus: a real Prometheus scrapes an app and accepts the names of its metrics. It answers
// each query of the dashboard, and loads the alert rules, which pass their own tests.
func TestPrometheus(t *testing.T) {
	takesLong(t)
	t.Parallel()
	promtool, prometheus := testreq.Program(t, "promtool"), testreq.Program(t, "prometheus")
	rules, err := filepath.Abs("packaging/prometheus/relevo.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	test := exec.Command(promtool, "test", "rules", "relevo.rules.test.yml")
	test.Dir = filepath.Dir(rules)
	if said, err := test.CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, said)
	}

	address, ui := testport.Address(t), testport.Address(t)
	s := newSite(t, "-n", "2", "--canary", "0s", "--watch-binary=false", "--metrics", address)
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = answer.Body
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, said)
	}
	answer.Body.Close()

	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 200ms, evaluation_interval: 200ms}\nrule_files: [%q]\n"+
		"scrape_configs: [{job_name: relevo, static_configs: [{targets: [%q]}]}]\n", rules, address)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+ui)
	server.Stdout, server.Stderr = t.Output(), t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })

	s.release("2", "serve")
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	for _, query := range dashboardQueries(t) {
		mayBeEmpty := strings.Contains(query, "relevo_worker_load_ratio") || strings.HasPrefix(query, "changes(") ||
			strings.Contains(query, "relevo_worker_last_ping")
		s.await("an answer to "+query, func() bool {
			n, err := series(ui, query)
			if err != nil && !strings.Contains(err.Error(), "connect") {
				t.Fatalf("%s: %v", query, err)
			}
			return err == nil && (n > 0 || mayBeEmpty)
		})
	}
	s.await("the rules to be evaluated", func() bool {
		var rules struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
		if err := askPrometheus(ui, "rules", &rules); err != nil || len(rules.Groups) != 1 {
			t.Fatalf("%+v, %v", rules, err)
		}
		for _, rule := range rules.Groups[0].Rules {
			if rule.Health == "err" {
				t.Fatalf("%s: %s", rule.Name, rule.LastError)
			}
			if rule.Health != "ok" {
				return false
			}
		}
		return true
	})
	s.stop()
}

// dashboardQueries returns the queries of the dashboard, as Grafana would send them.
func dashboardQueries(t *testing.T) (queries []string) {
	t.Helper()
	text, err := os.ReadFile("packaging/grafana/relevo.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels      []struct{ Targets []struct{ Expr string } }
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, target.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		queries = append(queries, a.Expr)
	}
	if len(queries) < 15 {
		t.Fatalf("only %d queries: %q", len(queries), queries)
	}
	for i := range queries {
		queries[i] = strings.NewReplacer("$app", ".+", "$__rate_interval", "20s").Replace(queries[i])
	}
	return queries
}

// series returns how many series a query yields.
func series(address, query string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := askPrometheus(address, "query?query="+url.QueryEscape(query), &data)
	return len(data.Result), err
}

// askPrometheus sends a request to the API of Prometheus. While Prometheus starts, it gets no
// answer.
func askPrometheus(address, call string, into any) error {
	answer, err := http.Get("http://" + address + "/api/v1/" + call)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	result := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(answer.Body).Decode(&result); err != nil {
		return err
	}
	if result.Status != "success" {
		return fmt.Errorf("%s: %s", result.Status, result.Error)
	}
	return nil
}
