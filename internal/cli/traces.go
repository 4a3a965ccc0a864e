package cli

import (
	"context"
	"fmt"
	"sync"

	"relevo/internal/control"
	"relevo/internal/printable"
	"relevo/internal/trace"
	"relevo/pool"
)

// rollTrace makes a trace of the roll that a command waits for; nil: none is wanted.
type rollTrace struct {
	cli      *cli
	exporter trace.Exporter
	recorder trace.Recorder
	ended    []trace.Trace
}

// rollTrace returns nil if the environment names no receiver, or if the roll would be part of a
// trace that is not recorded.
func (c *cli) rollTrace(ctx context.Context, client *control.Client) *rollTrace {
	settings, err := trace.FromEnvironment(c.getenv, version())
	if err != nil {
		c.warnOfTrace("relevo", err)
	}
	if settings == nil || settings.Parent.Ignored {
		return nil
	}
	t := &rollTrace{cli: c, exporter: trace.Exporter{Settings: *settings},
		recorder: trace.Recorder{App: client.Name(), Parent: settings.Parent}}
	if status, err := client.Status(ctx); err == nil { // otherwise the roll itself reports the error
		t.recorder.Since = status.Started
	}
	return t
}

func (t *rollTrace) hear(e pool.Event) {
	if t == nil {
		return
	}
	if ended, has := t.recorder.Hear(e); has {
		t.ended = append(t.ended, ended)
	}
}

// send sends the traces of the rolls whose events were received. The last roll ends with result,
// even if its last events come from another master.
func (t *rollTrace) send(ctx context.Context, result pool.RollResult) {
	if t == nil {
		return
	}
	if len(t.ended) == 0 || t.ended[len(t.ended)-1].Generation != result.Generation {
		t.ended = append(t.ended, t.recorder.Trace(result))
	}
	for _, ended := range t.ended {
		if err := t.exporter.Send(ctx, ended); err != nil {
			t.cli.warnOfTrace("relevo", err)
			return
		}
	}
}

func (c *cli) warnOfTrace(by string, err error) {
	fmt.Fprintf(c.stderr, "%s: %s; rolls continue without it\n", by, printable.Text(err.Error()))
}

// traceAll sends a trace of each roll of each app until ctx ends, if the environment names a
// receiver. done stops it, and returns when the last traces were sent.
func (c *cli) traceAll(ctx context.Context, names func() ([]string, error)) (done func()) {
	const by = "relevo web"
	settings, err := trace.FromEnvironment(c.getenv, version())
	if err != nil {
		c.warnOfTrace(by, err)
	}
	if settings == nil {
		return func() {}
	}
	exporter := &trace.Exporter{Settings: *settings}
	queue := &trace.Queue{Send: exporter.Send, Warn: func(err error) { c.warnOfTrace(by, err) }}
	follower := &trace.Follower{Names: names, Connect: c.reach, Ended: queue.Add}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { follower.Run(ctx) })
	running.Go(func() { queue.Run(ctx) })
	return func() { cancel(); running.Wait() }
}
