package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/testreq"
	"relevo/pool"
	"relevo/pool/machine"
)

// talk makes one request without the client of this package.
func talk(t *testing.T, path, method, url string, body io.Reader) (status int, answer string) {
	t.Helper()
	var d net.Dialer
	transport := &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		}}
	request, err := http.NewRequest(method, "http://relevo/v1/"+url, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

func TestStatus(t *testing.T) {
	m := newMaster()
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	m.status = control.Status{
		Name: "web", PID: 7, Version: "v1", Listeners: []control.Listener{{Name: "listen", Address: "127.0.0.1:80"}},
		Status: pool.Status{
			Generation: 2, State: "running", Slots: 1,
			Workers: []pool.Worker{{
				Slot: 0, ID: "3", PID: 9, Generation: 2, State: "serving", Started: at, Respawns: 1,
				Release: &pool.Info{Path: "/srv/app"}, LastExit: &pool.ExitStatus{Code: 1},
			}},
			LastRoll: &pool.RollResult{Generation: 2, From: 1, Result: machine.OK, Replaced: 1, Started: at, Ended: at},
		},
	}
	path, client := serve(t, m)
	code, text := talk(t, path, "GET", "status", nil)
	wantEqual(t, "code", code, 200)
	wantEqual(t, "status", text,
		`{"name":"web","pid":7,"version":"v1","listeners":[{"name":"listen","address":"127.0.0.1:80"}],`+
			`"generation":2,"state":"running","slots":1,"workers":[{"slot":0,"id":"3","pid":9,"generation":2,`+
			`"state":"serving",`+
			`"started":"2030-01-01T00:00:00Z","respawns":1,"release":{"path":"/srv/app"},"last_exit":{"code":1,"text":"exit `+
			`status 1"}}],"last_roll":{"generation":2,"from":1,"result":"ok","replaced":1,"started":"2030-01-01T00:00:00Z",`+
			`"ended":"2030-01-01T00:00:00Z"}}`)
	got, err := client.Status(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "status of the client", string(back), text)
	wantEqual(t, "name", client.Name(), "web")
}

// What each request asks of the master, and what it answers.
func TestRequests(t *testing.T) {
	tests := []struct {
		name, url, body string
		asks            string
		code            int
		answer          string
	}{
		{"reload", "reload", ``, "reload force=false", 200, `{"generation":3,"from":2,"result":"ok","replaced":4,` +
			`"started":"0001-01-01T00:00:00Z","ended":"0001-01-01T00:00:00Z"}`},
		{"reload and wait", "reload", `{"wait":true,"force":true}`, "reload force=true", 200, ""},
		{"reload without waiting", "reload", `{"wait":false}`, "reload force=false", 202, ``},
		{"rollback", "rollback", ``, `rollback ""`, 200, ""},
		{"rollback to", "rollback", `{"to":"ab12","wait":false}`, `rollback "ab12"`, 202, ``},
		{"rollback to nothing", "rollback", `{"to":7}`, "", 400, ""},
		{"promote", "promote", ``, "promote", 200, `{"slot":0,"id":"5","until":"0001-01-01T00:00:00Z","share":"5%"}`},
		{"abort", "abort", ``, "abort", 200, `{"generation":3,"from":2,"result":"ok","replaced":4,` +
			`"started":"0001-01-01T00:00:00Z","ended":"0001-01-01T00:00:00Z"}`},
		{"scale", "scale", `{"workers":"+1"}`, "scale +1", 200, `{"from":2,"to":3}`},
		{"stop", "stop", ``, "stop false", 202, ``},
		{"stop by force", "stop", `{"force":true}`, "stop true", 202, ``},
		{"send", "send", `{"data":{"a":[1]}}`, `send {"a":[1]} to any slot`, 200, `{"workers":["1","2"]}`},
		{"send to a slot", "send", `{"slot":0,"data":1}`, "send 1 to slot 0", 200, `{"workers":["1","2"]}`},
		{"send to a worker", "send", `{"id":"7","data":"x"}`, `send "x" to worker 7`, 200, `{"workers":["1","2"]}`},
		{"signal", "signal", `{"signal":"USR1"}`, "signal 10 to any slot", 200, `{"workers":["1","2"]}`},
		{"signal by number", "signal", `{"signal":"12","slot":1}`, "signal 12 to slot 1", 200, `{"workers":["1","2"]}`},
		{"signal unknown", "signal", `{"signal":"FOO"}`, "", 400, ""},
		{"signal missing", "signal", ``, "", 400, ""},
		{"unknown field", "stop", `{"farce":true}`, "", 400,
			`{"error":"cannot read the request: json: unknown field \"farce\"","exit":2}`},
		{"wrong type", "stop", `{"force":"yes"}`, "", 400, ""},
		{"not JSON", "scale", `workers=1`, "", 400, ""},
		{"cut off", "scale", `{"workers":"1"`, "", 400, `{"error":"cannot read the request: unexpected EOF","exit":2}`},
		{"two values", "stop", `{"force":false}{"force":true}`, "", 400,
			`{"error":"cannot read the request: there is more than one JSON value","exit":2}`},
		{"too long", "send", `{"data":"` + strings.Repeat("x", 2<<20) + `"}`, "", 400,
			`{"error":"cannot read the request: http: request body too large","exit":2}`},
		{"no such verb", "explode", ``, "", 404, ""},
		{"no such method", "status", ``, "", 404, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMaster()
			m.result = pool.RollResult{Generation: 3, From: 2, Result: machine.OK, Replaced: 4}
			m.scaled, m.ids = control.Scaled{From: 2, To: 3}, []string{"1", "2"}
			path, _ := serve(t, m)
			code, answer := talk(t, path, "POST", test.url, strings.NewReader(test.body))
			wantEqual(t, "code", code, test.code)
			wantEqual(t, "asked", m.asks(), test.asks)
			if test.answer != "" || test.code == 202 {
				wantEqual(t, "answer", answer, test.answer)
			}
			if test.code == 400 && !strings.HasSuffix(answer, `"exit":2}`) {
				t.Errorf("answer %s, want exit code 2", answer)
			}
		})
	}
}

// A body of unknown length may be empty too.
func TestNoBody(t *testing.T) {
	m := newMaster()
	path, _ := serve(t, m)
	code, answer := talk(t, path, "POST", "stop", io.MultiReader(bytes.NewReader(nil)))
	wantEqual(t, "answer", []any{code, answer, m.asks()}, []any{202, "", "stop false"})
}

// The errors of the master, on the wire and at the client.
func TestErrors(t *testing.T) {
	tests := []struct {
		err    error
		status int
		exit   int
		text   string
	}{
		{errors.New("cannot do it"), 500, control.ExitFailure, "cannot do it"},
		{control.WithExit(errors.New("cannot scale by x"), control.ExitUsage), 400, 2, "cannot scale by x"},
		{control.WithExit(errors.New("no"), control.ExitNotPermitted), 403, 4, "no"},
		{control.WithExit(errors.New("bad file"), control.ExitConfig), 422, 6, "bad file"},
		{control.WithExit(errors.New("bad release"), control.ExitRollFailed), 422, 10, "bad release"},
		{control.WithExit(errors.New("later"), control.ExitBusy), 503, 75, "later"},
		{pool.ErrNotRunning, 503, 75, "cannot do that: the pool is stopping"},
	}
	for _, test := range tests {
		t.Run(test.err.Error(), func(t *testing.T) {
			m := newMaster()
			m.err = test.err
			path, client := serve(t, m)
			calls := map[string]func(context.Context) error{
				"status": func(ctx context.Context) error { _, err := client.Status(ctx); return err },
				"reload": func(ctx context.Context) error {
					_, err := client.Reload(ctx, control.ReloadOptions{})
					return err
				},
				"reload without waiting": func(ctx context.Context) error {
					return client.ReloadNoWait(ctx, control.ReloadOptions{})
				},
				"plan":     func(ctx context.Context) error { _, err := client.Plan(ctx); return err },
				"rollback": func(ctx context.Context) error { _, err := client.Rollback(ctx, ""); return err },
				"releases": func(ctx context.Context) error { _, err := client.Releases(ctx); return err },
				"prune":    func(ctx context.Context) error { _, err := client.Prune(ctx); return err },
				"scale":    func(ctx context.Context) error { _, err := client.Scale(ctx, "1"); return err },
				"stop":     func(ctx context.Context) error { return client.Stop(ctx, false) },
				"events":   func(ctx context.Context) error { _, err := client.Events(ctx); return err },
				"send": func(ctx context.Context) error {
					_, err := client.Send(ctx, pool.Target{}, json.RawMessage(`1`))
					return err
				},
				"signal": func(ctx context.Context) error { _, err := client.Signal(ctx, pool.Target{}, "USR1"); return err },
			}
			for name, call := range calls {
				err := call(soon(t))
				wantEqual(t, name, []any{err, control.ExitCode(err)}, []any{test.text, test.exit})
			}
			code, answer := talk(t, path, "GET", "status", nil)
			want, _ := json.Marshal(control.Error{Message: test.text, Exit: test.exit})
			wantEqual(t, "on the wire", []any{code, answer}, []any{test.status, string(want)})
		})
	}
}

// An answer that is not this package's is told as what it is.
func TestForeignAnswer(t *testing.T) {
	path := place(t)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/status" {
			io.WriteString(w, "hello")
			return
		}
		http.Error(w, "gone fishing", http.StatusTeapot)
	})}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	defer func() { server.Close(); <-served }()
	client, err := control.Connect(soon(t), path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Status(soon(t))
	if err == nil || !strings.HasPrefix(err.Error(), `cannot read the answer of "web": `) {
		t.Error(err)
	}
	wantEqual(t, "error", client.Stop(soon(t), false), `cannot ask "web" to stop: 418 I'm a teapot`)
}

// The client's requests, as the master gets them.
func TestClient(t *testing.T) {
	m := newMaster()
	m.plan.Changes, m.plan.Refused = []config.Change{{Key: "workers", Old: "1", New: "2"}}, "known bad"
	m.releases.Releases = []control.Release{{SHA256: "ab12", Verdict: "bad", Reason: "it died", Kept: true}}
	m.result, m.scaled, m.ids = pool.RollResult{Generation: 3, Result: machine.OK}, control.Scaled{From: 1, To: 2},
		[]string{"4"}
	_, client := serve(t, m)
	ctx, slot := soon(t), 1
	result, err := client.Reload(ctx, control.ReloadOptions{Force: true})
	wantEqual(t, "reload", []any{result.Generation, err}, []any{3, nil})
	result, err = client.Rollback(ctx, "ab12")
	wantEqual(t, "rollback", []any{result.Generation, err}, []any{3, nil})
	wantEqual(t, "rollback without waiting", client.RollbackNoWait(ctx, ""), nil)
	plan, err := client.Plan(ctx)
	wantEqual(t, "plan", []any{plan, err}, []any{m.plan, nil})
	releases, err := client.Releases(ctx)
	wantEqual(t, "releases", []any{releases, err}, []any{m.releases, nil})
	pruned, err := client.Prune(ctx)
	wantEqual(t, "prune", []any{pruned, err}, []any{control.Pruned{Copies: 2, Bytes: 7}, nil})
	scaled, err := client.Scale(ctx, "+1")
	wantEqual(t, "scale", []any{scaled, err}, []any{m.scaled, nil})
	sent, err := client.Send(ctx, pool.Target{Slot: &slot}, json.RawMessage(`{"a":1}`))
	wantEqual(t, "send", []any{sent.Workers, err}, []any{m.ids, nil})
	signalled, err := client.Signal(ctx, pool.Target{ID: "4"}, "SIGUSR1")
	wantEqual(t, "signal", []any{signalled.Workers, err}, []any{m.ids, nil})
	wantEqual(t, "stop", client.Stop(ctx, true), nil)
	wantEqual(t, "asked", m.asks(), `reload force=true, rollback "ab12", rollback "", plan, releases, prune, scale +1, `+
		`send {"a":1} to slot 1, signal 10 to worker 4, stop true`)
}

// Who does not wait for a roll still learns whether it was begun.
func TestReloadNoWait(t *testing.T) {
	m := newMaster()
	m.roll = func(context.Context) error {
		t.Error("somebody waits")
		return nil
	}
	_, client := serve(t, m)
	wantEqual(t, "reload", client.ReloadNoWait(soon(t), control.ReloadOptions{}), nil)
	wantEqual(t, "asked", m.asks(), "reload force=false")
}

// Who waits and goes away ends the wait.
func TestReloadAbandoned(t *testing.T) {
	m := newMaster()
	began, ended := make(chan struct{}), make(chan error, 1)
	m.roll = func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	_, client := serve(t, m)
	ctx, cancel := context.WithCancel(soon(t))
	go func() { <-began; cancel() }()
	_, err := client.Reload(ctx, control.ReloadOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("reload: %v, want canceled", err)
	}
	wantEqual(t, "context of the roll", within(t, ended), context.Canceled)
}

func TestCurl(t *testing.T) {
	curl := testreq.Program(t, "curl")
	m := newMaster()
	m.status.Name, m.ids = "web", []string{"1"}
	path, _ := serve(t, m)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(curl, append([]string{"-sS", "--unix-socket", path}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if out := run("http://relevo/v1/status"); !strings.HasPrefix(out, `{"name":"web"`) {
		t.Errorf("status: %s", out)
	}
	wantEqual(t, "signal", run("http://relevo/v1/signal", "-d", `{"slot":0,"signal":"USR1"}`), `{"workers":["1"]}`)
	wantEqual(t, "recycle", run("http://relevo/v1/recycle", "-d", `{"slot":1}`), `{"slot":1,"worker":"7"}`)
	wantEqual(t, "recycle nothing", run("http://relevo/v1/recycle", "-d", `{}`),
		`{"error":"cannot replace a worker: \"slot\" is missing","exit":2}`)
	wantEqual(t, "stop", run("-X", "POST", "http://relevo/v1/stop"), "")
	wantEqual(t, "refused", run("http://relevo/v1/stop", "-d", `{"x":1}`),
		`{"error":"cannot read the request: json: unknown field \"x\"","exit":2}`)
	go func() {
		m.events <- pool.Event{Kind: pool.KindReady, App: "web"}
		close(m.events)
	}()
	wantEqual(t, "events", run("-N", "http://relevo/v1/events"),
		`{"time":"0001-01-01T00:00:00Z","event":"ready","app":"web"}`)
	wantEqual(t, "asked", m.asks(), "status, signal 10 to slot 0, recycle 1, stop false, subscribe")
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
