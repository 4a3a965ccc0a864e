package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"relevo/bench/figures"
	"relevo/internal/prove"
)

// captured compares a program that binds its own port as a worker and without a
// master.
func captured(ctx context.Context, b *bench) error {
	a, err := b.startCaptured(ctx, 1)
	if err != nil {
		return err
	}
	p, err := b.startAlone(b.self, plainVerb, "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, a.stop())
	}
	err = b.comparePair(ctx, "throughput of a captured program / bare program", "≥ 0.98", "≥ 0.98", a.address,
		p.address)
	p.stop()
	return errors.Join(err, a.stop())
}

// balance compares sockets of the workers' own with one that they share: with four
// workers, and with one for each processor.
func balance(ctx context.Context, b *bench) error {
	for _, workers := range slices.Compact([]int{runtime.NumCPU(), 4}) {
		if err := b.balanceOf(ctx, workers); err != nil {
			return err
		}
	}
	return nil
}

// balanceOf runs two apps at once: both have the same programs.
func (b *bench) balanceOf(ctx context.Context, workers int) error {
	even, err := b.startCaptured(ctx, workers, "--balance", "even")
	if err != nil {
		return err
	}
	shared, err := b.startCaptured(ctx, workers, "--balance", "shared")
	if err != nil {
		return errors.Join(err, even.stop())
	}
	what := fmt.Sprintf("throughput of %d captured workers on %d processors, even / shared", workers, runtime.NumCPU())
	err = b.comparePair(ctx, what, "≥ 0.98", "≥ 0.98", even.address, shared.address)
	return errors.Join(err, even.stop(), shared.stop())
}

// comparePair prints a row for each kind of connection.
func (b *bench) comparePair(ctx context.Context, what, wantFresh, wantKept, measured, with string) error {
	for _, kind := range []prove.Connections{prove.Fresh, prove.KeepAlive} {
		want := map[prove.Connections]string{prove.Fresh: wantFresh, prove.KeepAlive: wantKept}[kind]
		ratios, _, err := b.compareRates(ctx, kind, measured, with)
		if err != nil {
			return err
		}
		b.table.row(fmt.Sprintf("%s, %s", what, kind), figures.Spread(ratios, "%.3f"), want)
	}
	return nil
}

// bind measures from the order to start a process until its program listens: as a
// captured worker, and alone.
func bind(ctx context.Context, b *bench) error {
	a, err := b.startCaptured(ctx, 1, "--canary", "0")
	if err != nil {
		return err
	}
	var extra, ours, bare []float64
	for i := range b.plan.spawns/2 + 1 {
		took, rollErr := a.timeBind(ctx)
		if err = rollErr; err != nil {
			break
		}
		begin := time.Now()
		p, startErr := b.startAlone(b.self, plainVerb, "127.0.0.1:0")
		if err = startErr; err != nil {
			break
		}
		_, alone, askErr := listened(ctx, p.address)
		p.stop()
		if err = askErr; err != nil {
			break
		}
		if i > 0 { // the first is a warm-up
			ours, bare = append(ours, figures.Milliseconds(took)), append(bare, figures.Milliseconds(alone.Sub(begin)))
			extra = append(extra, figures.Milliseconds(took-alone.Sub(begin)))
		}
	}
	if err = errors.Join(err, a.stop()); err != nil {
		return err
	}
	b.table.row("start of a captured program until it listens − alone, ms", figures.Spread(extra, "%.2f"), "≤ 3")
	b.table.row(fmt.Sprintf("fastest of %d − fastest of %d alone, ms", len(ours), len(bare)),
		fmt.Sprintf("%.2f", slices.Min(ours)-slices.Min(bare)), "≤ 3")
	return nil
}

// timeBind asks for one more worker, measures until it listens, and takes it back.
func (a *app) timeBind(ctx context.Context) (time.Duration, error) {
	before, err := a.client.Status(ctx)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, err := a.client.Scale(ctx, "2"); err != nil {
		return 0, err
	}
	if err := a.settle(ctx, 2); err != nil {
		return 0, err
	}
	first := strconv.Itoa(before.Workers[0].PID)
	for {
		pid, at, err := listened(ctx, a.address)
		if err != nil {
			return 0, err
		}
		if pid == first {
			continue // the new one answers every second time
		}
		if _, err := a.client.Scale(ctx, "1"); err != nil {
			return 0, err
		}
		return at.Sub(begin), a.settle(ctx, 1)
	}
}

// settle waits until so many workers serve and no other one is left.
func (a *app) settle(ctx context.Context, workers int) error {
	for {
		status, err := a.client.Status(ctx)
		if err != nil || settled(status, workers) {
			return err
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

// listened asks a plain program who it is and when it began to listen.
func listened(ctx context.Context, address string) (pid string, at time.Time, err error) {
	text, err := ask(ctx, "http://"+address+"/listened")
	if err != nil {
		return "", time.Time{}, err
	}
	pid, since, _ := strings.Cut(text, " ")
	nanoseconds, err := strconv.ParseInt(since, 10, 64)
	return pid, time.Unix(0, nanoseconds), err
}

// ask reads an answer on a connection of its own.
func ask(ctx context.Context, url string) (string, error) {
	return askOn(ctx, &http.Transport{DisableKeepAlives: true}, url)
}

func askOn(ctx context.Context, transport *http.Transport, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return strings.TrimSpace(string(text)), err
}
