package pool_test

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// The clock of a bubble starts at 2000-01-01T00:00:00Z, so the test can compare the output of a pool
// letter by letter.

func TestStatusJSON(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 2, old)
		r.roll(r.release("v2", pooltest.Broken))
		old.Process(1).Say(ipc.Status{Text: "7 jobs"})
		pass(time.Minute)
		old.Process(2).Exit(3)
		pass(0)
		old.Process(4).Exit(4)
		got := marshal(t, r.status())
		const release = `"release":{"path":"/srv/app","sha256":"5eedv1","version":"v1"}`
		wantEqual(t, "status", got, `{"generation":1,"state":"running","slots":2,`+release+`,"workers":[`+
			`{"slot":0,"id":"1","pid":1001,"generation":1,"state":"serving",`+
			`"started":"2000-01-01T00:00:00Z","ready":"2000-01-01T00:00:00Z","ready_by":"said","respawns":0,`+release+
			`,"text":"7 jobs",`+
			`"last_exit":{"code":1,"text":"exit status 1"}},`+
			`{"slot":1,"id":"","pid":0,"generation":1,"state":"backoff","retry":"2000-01-01T00:01:00.`+retryOf(t, got)+
			`Z","respawns":2,`+release+`,"last_exit":{"code":4,"text":"exit status 4"}}],`+
			`"last_roll":{"generation":2,"from":1,"result":"rolled-back","reason":"exit status `+
			`1","blame":"program","slot":0,"worker":"3","exit":{"code":1,"text":"exit status 1"},"tail":["panic: `+
			`no database"],"replaced":0,`+
			strings.ReplaceAll(release, "v1", "v2")+`,"from_`+release[1:]+`,`+
			`"started":"2000-01-01T00:00:00Z","ended":"2000-01-01T00:00:00Z"},`+
			`"counts":{"starts":{"first":2,"respawn":1,"roll":1},"deaths":{"crash":3},"rolls":{"rolled-back":1},`+
			`"roll_time":{"counts":[1]},"ready_time":{"counts":[3]}}}`)
		var back pool.Status
		if err := json.Unmarshal([]byte(got), &back); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "status read back", marshal(t, back), got)
	})
}

// retryOf returns the fraction of a second in the time of the next spawn, which has jitter.
func retryOf(t *testing.T, status string) string {
	t.Helper()
	_, rest, _ := strings.Cut(status, `"retry":"2000-01-01T00:01:00.`)
	fraction, _, ok := strings.Cut(rest, "Z")
	if !ok {
		t.Fatalf("no time of the next spawn in %s", status)
	}
	return fraction
}

func TestEventJSON(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		r := start(t, 1, release, func(o *pool.Options) { o.Release.(*pooltest.Release).ListensOn(":80") })
		p := release.Process(1)
		p.Online()
		pass(20 * time.Millisecond)
		p.Ready()
		p.Say(ipc.App{Data: []byte(`{"a":[1]}`)})
		p.Say(ipc.Status{Text: "7 jobs"})
		p.Say(ipc.Draining{Open: 3})
		synctest.Wait() // its successor's process
		p.Say(ipc.Drained{})
		p.Die(syscall.SIGSEGV)
		release.Process(2).Disconnect("the worker closed its end")
		release.Process(2).Exit(0)
		r.Stop()
		<-r.ran
		const (
			start, later = `{"time":"2000-01-01T00:00:00Z","event":"`, `{"time":"2000-01-01T00:00:00.02Z","event":"`
			one, two     = `,"app":"web","slot":0,"id":"1","pid":1001,"generation":1`,
				`,"app":"web","slot":0,"id":"2","pid":1002,"generation":1`
		)
		want := []string{
			start + `fork"` + one + `,"cause":"first"}`,
			start + `online"` + one + `}`,
			later + `listening"` + one + `,"addresses":[":80"]}`,
			later + `ready"` + one + `,"how":"notify","duration_ms":20}`,
			later + `started","app":"web","generation":1,"addresses":[":80"]}`,
			later + `message"` + one + `,"data":{"a":[1]}}`,
			later + `status"` + one + `,"text":"7 jobs"}`,
			later + `draining"` + one + `,"open":3,"reason":"leaves by itself"}`,
			later + `respawn","app":"web","slot":0,"reason":"left by itself","after_ms":0}`,
			later + `fork"` + two + `,"cause":"respawn"}`,
			later + `drained"` + one + `}`,
			later + `exit"` + one + `,"signal":"SIGSEGV","planned":false}`,
			later + `disconnect"` + two + `,"reason":"the worker closed its end"}`,
			later + `exit"` + two + `,"code":0,"planned":false}`,
		}
		var got []string
		for _, e := range r.events() {
			got = append(got, marshal(t, e))
		}
		for i, line := range want {
			wantEqual(t, "event", got[i], line)
		}
	})
}

func TestRollResultJSON(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	slot := 1
	tests := []struct {
		result pool.RollResult
		want   string
	}{
		{
			pool.RollResult{Generation: 3, From: 2, Result: machine.OK, Replaced: 4, Started: at, Ended: at},
			`{"generation":3,"from":2,"result":"ok","replaced":4,"started":"2030-01-01T00:00:00Z",` +
				`"ended":"2030-01-01T00:00:00Z"}`,
		}, {
			pool.RollResult{
				Generation: 3, From: 2, Result: machine.Failed, Reason: "died", Slot: &slot, Worker: "7", Hint: "look",
				Exit: &pool.ExitStatus{Signal: syscall.SIGSEGV, Core: true}, Tail: []string{"a"}, Stuck: []int{0}, Started: at,
				Ended: at,
			},
			`{"generation":3,"from":2,"result":"failed","reason":"died","slot":1,"worker":"7",` +
				`"exit":{"signal":"SIGSEGV","text":"killed by SIGSEGV (core dumped)"},"hint":"look","tail":["a"],"stuck":[0],` +
				`"replaced":0,"started":"2030-01-01T00:00:00Z","ended":"2030-01-01T00:00:00Z"}`,
		},
	}
	for _, test := range tests {
		wantEqual(t, "result", marshal(t, test.result), test.want)
		var back pool.RollResult
		if err := json.Unmarshal([]byte(test.want), &back); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "result read back", marshal(t, back), test.want)
	}
}

func TestExitStatusJSON(t *testing.T) {
	all := []pool.ExitStatus{{}, {Code: 255}, {Code: 137, OutOfMemory: true}, {Signal: syscall.SIGKILL, OutOfMemory: true},
		{Error: "cannot start a process"}}
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		all = append(all, pool.ExitStatus{Signal: sig}, pool.ExitStatus{Signal: sig, Core: true})
	}
	for _, status := range all {
		text := marshal(t, status)
		var back pool.ExitStatus
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != status {
			t.Errorf("%s was read back as %+v, %v", text, back, err)
		}
	}
	for _, bad := range []string{`[]`, `{"signal":"SIGNAL"}`} {
		if json.Unmarshal([]byte(bad), new(pool.ExitStatus)) == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantJSON compares the JSON of two values.
func wantJSON(t *testing.T, what string, got, want any) {
	t.Helper()
	wantEqual(t, what, marshal(t, got), marshal(t, want))
}

// TestExitStatusSaid: the next master and clients get a worker's exit status together with its last
// words.
func TestExitStatusSaid(t *testing.T) {
	for want, status := range map[string]pool.ExitStatus{
		"exit status 1: panic: no database": {Code: 1, Said: "panic: no database"},
		"killed by SIGABRT (core dumped): fatal error: boom": {Signal: syscall.SIGABRT, Core: true,
			Said: "fatal error: boom"},
		"killed by SIGSEGV": {Signal: syscall.SIGSEGV},
	} {
		text, err := json.Marshal(status)
		if err != nil {
			t.Fatal(err)
		}
		var back pool.ExitStatus
		if err := json.Unmarshal(text, &back); err != nil || back != status || back.String() != want {
			t.Errorf("%s became %+v (%q), %v; want %q", text, back, back, err, want)
		}
	}
}
