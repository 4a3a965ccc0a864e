package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
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
	b := bench{program: p, client: c, app: fmt.Sprintf("bench-%d", os.Getpid()), agents: agents, wave: wave, roll: roll,
		quiet: slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelError}))}
	running, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	b.start(running, &all)
	mirror := c.Follow(running)
	err = b.measure(ctx, mirror)
	stop()
	all.Wait()
	mirror.Wait()
	return errors.Join(err, c.Erase(context.WithoutCancel(ctx), b.app, b.app+"-"))
}

// bench is one measurement.
type bench struct {
	*program
	client       *store.Client
	app          string
	agents, wave int
	roll         time.Duration
	quiet        *slog.Logger
}

// start starts a conductor and the machines: each has a connection of its own, and they come one by one.
func (b bench) start(ctx context.Context, all *sync.WaitGroup) {
	all.Go(func() {
		conductor.Run(ctx, conductor.Options{Client: b.client, App: b.app, Log: b.quiet})
	})
	for i := range b.agents {
		all.Go(func() { b.machine(ctx, i) })
	}
}

func (b bench) machine(ctx context.Context, i int) {
	select {
	case <-time.After(time.Duration(i) * 5 * time.Millisecond):
	case <-ctx.Done():
		return
	}
	own, err := b.dial()
	if err != nil {
		b.quiet.Error("cannot connect a machine", "err", err)
		return
	}
	defer own.Close()
	agent.Run(ctx, agent.Options{Client: own, Machine: fmt.Sprintf("%s-%05d", b.app, i), Log: b.quiet, TTL: time.Minute,
		Presence: store.Presence{HostID: "bench", Since: time.Now()},
		Apps:     map[string]agent.App{b.app: &simulated.App{RollTime: b.roll}}})
}

// measure deploys and prints the differences of etcd's counters.
func (b bench) measure(ctx context.Context, mirror *store.Mirror) error {
	present := func(v *store.View) bool { return len(presentOf(v, b.app)) == b.agents }
	if err := await(ctx, mirror, present); err != nil {
		return err
	}
	before, began := b.counters(ctx), time.Now()
	d, err := b.client.BeginDeploy(ctx, store.Deploy{}, store.Deploy{App: b.app, By: who(),
		Release: store.Release{Version: "1"}, Deploy: plan.Deploy{State: plan.Rolling, Canary: 1,
			Wave: b.wave, MaxUnavailable: -1, TurnTimeout: 10 * time.Minute}})
	if err != nil {
		return err
	}
	over := func(v *store.View) bool { return v.Deploys[b.app].State.Over() && v.Deploys[b.app].ID == d.ID }
	if err := await(ctx, mirror, over); err != nil {
		return err
	}
	took, after := time.Since(began), b.counters(ctx)
	if d, err = b.client.Current(ctx, b.app); err != nil {
		return err
	}
	cpu := after[cpuCounter] - before[cpuCounter]
	fmt.Fprintf(b.out, "%d machines, waves of %d: %s, %d stages, %s, %.2f s of etcd's CPU\n", b.agents, b.wave,
		d.State, d.Stage, took.Round(10*time.Millisecond), cpu)
	for _, name := range benchCounters {
		sum := after[name] - before[name]
		fmt.Fprintf(b.out, "  %-48s %12.0f  %8.1f a machine\n", name, sum, sum/float64(b.agents))
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
	"etcd_debugging_mvcc_events_total", "etcd_network_client_grpc_sent_bytes_total",
	"etcd_network_client_grpc_received_bytes_total"}

// cpuCounter is how long etcd was at work.
const cpuCounter = "process_cpu_seconds_total"

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
