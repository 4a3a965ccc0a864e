package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"relevo/bench/figures"
	"relevo/internal/control"
	"relevo/internal/procfs"
)

// scrapes measures what it costs the master that Prometheus asks for its metrics, beside a bare loop
// that has the kernel tell the same, and how large the master is after that.
func scrapes(ctx context.Context, b *bench) error {
	a, err := b.startApp(ctx, b.plan.poolSize)
	if err != nil {
		return err
	}
	pid := a.process.Process.Pid
	var took, bare []float64
	for i := 0; err == nil && i <= b.plan.scrapes; i++ {
		before := processorTime(pid)
		err = errors.Join(scrape(ctx, a.client), pause(ctx, settles))
		if i > 0 { // the first is a warm-up
			took = append(took, figures.Milliseconds(processorTime(pid)-before))
			bare = append(bare, figures.Milliseconds(a.readBare(ctx)))
		}
	}
	kib, statErr := statusField(pid, "VmRSS")
	if err = errors.Join(err, statErr, a.stop()); err != nil {
		return err
	}
	b.table.row(fmt.Sprintf("CPU of the master for a scrape of /v1/metrics, %d workers, ms", b.plan.poolSize),
		figures.Spread(took, "%.1f"), "≤ 5")
	b.table.row(fmt.Sprintf("CPU of a bare loop that reads the same of /proc, %d workers, ms", b.plan.poolSize),
		figures.Spread(bare, "%.1f"), "")
	b.table.row(fmt.Sprintf("resident memory of the master after %d scrapes, %d workers, MB", len(took), b.plan.poolSize),
		fmt.Sprintf("%.1f", float64(kib)/1000), "≤ 25")
	return nil
}

// settles is how long the Go runtime may keep collecting garbage after a scrape.
const settles = 100 * time.Millisecond

// scrape asks as Prometheus does, but over the control socket.
func scrape(ctx context.Context, client *control.Client) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", client.Socket())
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://relevo/v1/metrics", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/openmetrics-text")
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot read the metrics: %s\n%s", answer.Status, text)
	}
	return err
}

// readBare reads what a scrape has to: which processes there are, and the states and the descriptors of
// workers.
func (a *app) readBare(ctx context.Context) time.Duration {
	status, err := a.client.Status(ctx)
	if err != nil || pause(ctx, settles) != nil {
		return 0
	}
	before := processorTime(os.Getpid())
	procfs.All()
	for _, w := range status.Workers {
		procfs.Of(w.PID).Stat()
		procfs.EachSocket(w.PID, func(uint64) {})
	}
	return processorTime(os.Getpid()) - before
}

// processorTime is what all threads of a process have used, in nanoseconds and not in ticks
// (clock_getcpuclockid(3)).
func processorTime(pid int) time.Duration {
	const ofProcess, scheduled = 0, 2 // CPUCLOCK_SCHED
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess|scheduled), &used); err != nil {
		return 0
	}
	return time.Duration(used.Nano())
}
