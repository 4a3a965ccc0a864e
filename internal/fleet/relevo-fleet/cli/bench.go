package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/agent"
	"relevo/internal/fleet/relevo-fleet/conductor"
	"relevo/internal/fleet/relevo-fleet/simulated"
	"relevo/internal/fleet/relevo-fleet/store"
)

// benchApp is the app of simulated machines.
const benchApp = "relevo-fleet-bench"

func (p *program) bench() *cobra.Command {
	var agents int
	var wave string
	var roll time.Duration
	cmd := &cobra.Command{Use: "bench", Short: "Roll over simulated machines, and show what that costs etcd",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			size, err := waveOf(wave, agents)
			if err != nil || agents < 1 || roll < 0 {
				return usage(fmt.Errorf("cannot measure that: --agents is at least 1, --roll not negative, and --wave like 10%%"))
			}
			return p.runBench(cmd.Context(), agents, size, roll)
		}}
	cmd.Flags().IntVar(&agents, "agents", 100, "simulated machines")
	cmd.Flags().StringVar(&wave, "wave", "10%", "machines at a time")
	cmd.Flags().DurationVar(&roll, "roll", time.Second, "how long a machine takes to roll")
	return cmd
}

func (p *program) runBench(ctx context.Context, agents, wave int, roll time.Duration) error {
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	quiet := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	running, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for i := range agents {
		all.Go(func() {
			own, err := p.dial()
			if err != nil {
				quiet.Error("cannot connect a machine", "err", err)
				return
			}
			defer own.Close()
			agent.Run(running, agent.Options{Client: own, Machine: fmt.Sprintf("bench-%05d", i), Log: quiet,
				Presence: store.Presence{HostID: "bench", Since: time.Now()}, TTL: time.Minute,
				Apps: map[string]agent.App{benchApp: &simulated.App{RollTime: roll}}})
		})
	}
	all.Go(func() { conductor.Run(running, conductor.Options{Client: c, App: benchApp, Log: quiet}) })
	mirror := c.Follow(running)
	all.Go(mirror.Wait)
	return p.measure(ctx, c, mirror, agents, wave)
}

// measure deploys and prints the differences of etcd's counters.
func (p *program) measure(ctx context.Context, c *store.Client, mirror *store.Mirror, agents, wave int) error {
	if err := await(ctx, mirror, func(v *store.View) bool { return len(presentOf(v, benchApp)) == agents }); err != nil {
		return err
	}
	last, err := c.Current(ctx, benchApp)
	if err != nil {
		return err
	}
	before, began := p.counters(ctx), time.Now()
	d, err := c.BeginDeploy(ctx, last, store.Deploy{App: benchApp, By: who(),
		Release: store.Release{Version: strconv.Itoa(last.ID + 1)}, Deploy: plan.Deploy{State: plan.Rolling, Canary: 1,
			Wave: wave, MaxUnavailable: -1, TurnTimeout: 10 * time.Minute}})
	if err != nil {
		return err
	}
	over := func(v *store.View) bool { return v.Deploys[benchApp].ID == d.ID && v.Deploys[benchApp].State.Over() }
	if err := await(ctx, mirror, over); err != nil {
		return err
	}
	took, after := time.Since(began), p.counters(ctx)
	if d, err = c.Current(ctx, benchApp); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%d machines, waves of %d: %s, %d stages, %s\n", agents, wave, d.State, d.Stage,
		took.Round(10*time.Millisecond))
	for _, name := range benchCounters {
		sum := after[name] - before[name]
		fmt.Fprintf(p.out, "  %-48s %12.0f  %8.1f a machine\n", name, sum, sum/float64(agents))
	}
	return nil
}

// await waits until the mirror shows something.
func await(ctx context.Context, m *store.Mirror, shows func(*store.View) bool) error {
	for {
		ok := false
		m.Look(func(v *store.View) { ok = shows(v) })
		if ok {
			return nil
		}
		select {
		case <-m.Changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// benchCounters are counters of etcd that show its work. Their sums over all members are compared.
var benchCounters = []string{"etcd_server_proposals_committed_total", "etcd_mvcc_put_total",
	"etcd_debugging_mvcc_events_total",
	"etcd_network_client_grpc_sent_bytes_total", "etcd_network_client_grpc_received_bytes_total",
	"process_cpu_seconds_total"}

// counters reads /metrics of each member. What cannot be read counts as 0.
func (p *program) counters(ctx context.Context) map[string]float64 {
	sums := map[string]float64{}
	for _, endpoint := range p.options.Endpoints {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/metrics", nil)
		if err != nil {
			continue
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(response.Body) // what is missing counts as 0
		response.Body.Close()
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				sums[name] += n
			}
		}
	}
	return sums
}
