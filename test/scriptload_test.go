package test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"relevo/internal/prove"
)

type backgroundLoad struct {
	cancel context.CancelFunc
	result chan loadResult
}

type loadResult struct {
	report prove.Report
	err    error
}

// loadPause leaves processor time to what is done to the app, and to other tests: without it, the
// eight clients of a load use all processors.
const loadPause = 8 * time.Millisecond

// load start NAME starts a load on the app. load stop NAME ends it and fails if a request was lost
// (! load stop: if none was). The figures go to stdout.
func scriptLoad(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: load start|stop NAME")
	}
	state := stateOf(ts)
	if args[0] == "start" {
		status, err := appStatus(ts, args[1])
		ts.Check(err)
		if state.loads == nil {
			state.loads = map[string]*backgroundLoad{}
		}
		state.loads[args[1]] = startLoad(status.Listeners[0].Address)
		return
	}
	load := state.loads[args[1]]
	load.cancel()
	r := <-load.result
	ts.Check(r.err)
	figures, err := json.Marshal(r.report.Total)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n", figures)
	if r.report.Total.OK == 0 {
		ts.Fatalf("no request of the load was answered")
	}
	if lost := r.report.Lost(); (lost > 0) != neg {
		ts.Fatalf("%d requests lost: %s %+v", lost, figures, r.report.Samples)
	}
}

// startLoad returns when the load has got its first answer, so that whatever follows happens under
// load. If the load does not run, it returns the reason.
func startLoad(address string) *backgroundLoad {
	url := "http://" + address + "/"
	if strings.HasPrefix(address, "/") {
		url = "unix:" + address
	}
	ctx, cancel := context.WithCancel(context.Background())
	load := &backgroundLoad{cancel: cancel, result: make(chan loadResult, 1)}
	answered, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		report, err := prove.Run(ctx, prove.Options{URL: url, Clients: 4, Pause: loadPause, Duration: tooLong,
			Answered: func() { close(answered) }})
		if ctx.Err() != nil {
			err = nil // ended by load stop
		}
		load.result <- loadResult{report, err}
	}()
	select {
	case <-answered:
	case <-ended:
	}
	return load
}
