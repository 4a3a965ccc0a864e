package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"relevo/bench/figures"
	"relevo/pool"
)

// busyNodeApp works on each request for as many rounds as its second argument says. Without
// arguments it prints the rounds that take 10 ms of processor time on this machine.
const busyNodeApp = `const { pbkdf2Sync } = require('crypto')
const work = rounds => pbkdf2Sync('a', 'b', rounds, 32, 'sha256')
const [port, rounds] = process.argv.slice(2).map(Number)
if (port) {
  require('http').createServer((q, r) => { work(rounds); r.end('ok\n') }).listen(port, '127.0.0.1')
} else {
  const before = process.cpuUsage()
  for (let i = 0; i < 100; i++) work(10000)
  const { user, system } = process.cpuUsage(before)
  console.log(Math.round(10000 * 1e6 / (user + system)))
}
`

// scalingRates are the requests a second, one after the other: they double and fall again.
var scalingRates = []int{15, 30, 60, 120, 60, 30, 15}

// scalingProcessors are those that the app may use.
const scalingProcessors = 1.5

// scaling shows how the number of workers follows a load that doubles and falls again.
func scaling(ctx context.Context, b *bench) (err error) {
	q, err := newQuota(scalingProcessors)
	limit := fmt.Sprintf("%.1f processors", scalingProcessors)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		limit = "the processors of the machine"
	}
	a, err := b.startScaled(ctx, q)
	if err != nil {
		return errors.Join(err, q.remove())
	}
	defer func() { err = errors.Join(err, a.stop(), q.remove()) }()
	events, err := a.client.Events(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	resizes := make(chan []pool.Event)
	go func() { resizes <- resizesOf(events.Next) }()
	var rates, workers, late []string
	var stages []*openLoad
	for _, rate := range scalingRates {
		stage := &openLoad{}
		stage.send(ctx, "http://"+a.address+"/", rate, b.plan.step)
		status, err := a.client.Status(ctx)
		if err != nil {
			return errors.Join(err, events.Close())
		}
		stages = append(stages, stage)
		rates, workers = append(rates, fmt.Sprint(rate)), append(workers, fmt.Sprint(status.Slots))
	}
	sent, lost := 0, 0
	for _, stage := range stages {
		stage.answers.Wait()
		sent, lost = sent+len(stage.took)+stage.lost, lost+stage.lost
		late = append(late, fmt.Sprintf("%.0f", figures.Milliseconds(percentile(stage.took, 0.99))))
	}
	events.Close()
	all := <-resizes
	what := fmt.Sprintf("2..8 workers of a Node app of 10 ms a request, %s; for %s each: requests/s %s",
		limit, b.plan.step, strings.Join(rates, ", "))
	b.table.row(what+"; workers at the end of each", strings.Join(workers, ", "), "")
	b.table.row("the 99th percentile of the answers meanwhile, ms", strings.Join(late, ", "), "")
	b.table.row("changes of the number of workers", describeResizes(began, all), "")
	b.table.row("changes of direction in any minute", fmt.Sprint(turns(all)), "≤ 1")
	b.table.row("requests lost", fmt.Sprintf("%d of %d", lost, sent), "0")
	return nil
}

func (b *bench) startScaled(ctx context.Context, q quota) (*app, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("cannot find Node: %w: apt-get install nodejs", err)
	}
	script := filepath.Join(b.dir, "busy.js")
	if err := os.WriteFile(script, []byte(busyNodeApp), 0o644); err != nil {
		return nil, err
	}
	rounds, err := exec.CommandContext(ctx, node, script).Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find out how fast Node is: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return b.startPool(ctx, q, "2..8", 2, nil, node, script, port, strings.TrimSpace(string(rounds)))
}

// openLoad sends requests at a rate, whether or not the earlier ones are answered.
type openLoad struct {
	answers sync.WaitGroup // that are still to come

	mu   sync.Mutex
	took []time.Duration
	lost int
}

// send sends for a time. It does not wait for the last answers.
func (l *openLoad) send(ctx context.Context, url string, rate int, length time.Duration) {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	next := time.NewTicker(time.Second / time.Duration(rate))
	defer next.Stop()
	for end := time.After(length); ; {
		select {
		case <-next.C:
			l.answers.Go(func() { l.ask(client, url) })
		case <-end:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (l *openLoad) ask(client *http.Client, url string) {
	began := time.Now()
	answer, err := client.Get(url)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || answer.StatusCode != http.StatusOK {
		l.lost++
		return
	}
	l.took = append(l.took, time.Since(began))
}

func percentile(sample []time.Duration, part float64) time.Duration {
	if len(sample) == 0 {
		return 0
	}
	slices.Sort(sample)
	return sample[int(part*float64(len(sample)-1))]
}

// resizesOf collects the changes of the number of workers until the events end.
func resizesOf(next func() (pool.Event, []byte, error)) (all []pool.Event) {
	for {
		e, _, err := next()
		if err != nil {
			return all
		}
		if e.Kind == pool.KindResize {
			all = append(all, e)
		}
	}
}

func describeResizes(began time.Time, resizes []pool.Event) string {
	texts := []string{"2"}
	for _, e := range resizes {
		texts = append(texts, fmt.Sprintf("%d after %.0fs (%s)", e.To, e.Time.Sub(began).Seconds(), e.Reason))
	}
	return strings.Join(texts, ", ")
}

// turns is the largest number of changes of direction in a minute.
func turns(resizes []pool.Event) (most int) {
	var at []time.Time
	for i := 1; i < len(resizes); i++ {
		if before, now := resizes[i-1], resizes[i]; (now.To > now.From) != (before.To > before.From) {
			at = append(at, now.Time)
		}
	}
	for i := range at {
		n := 0
		for _, other := range at[i:] {
			if other.Sub(at[i]) < time.Minute {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
