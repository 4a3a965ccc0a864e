package worker

import (
	"os"
	"syscall"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/workertest"
)

// loadRequests is the number of requests in rolls that lose none. Requests are lost at the end of a worker, so more
// of them say little: what counts are the rolls. RELEVO_WORKER_LOAD, a duration, makes the load at least that long, as
// CI does.
const loadRequests = 2_000

func longRun(t *testing.T) time.Duration {
	text := os.Getenv("RELEVO_WORKER_LOAD")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func bySignal(w *workertest.Worker) { w.Signal(syscall.SIGTERM) }

func byMessage(w *workertest.Worker) { w.Send(ipc.Drain{DeadlineMS: 30_000}) }

// pool is two workers that are replaced one after the other.
type pool struct {
	m       *workertest.Master
	spec    workertest.Spec
	drain   func(*workertest.Worker)
	workers []*workertest.Worker
	rolls   int
}

func newPool(t *testing.T, s workertest.Spec, drain func(*workertest.Worker)) *pool {
	m := workertest.NewMaster(t)
	return &pool{m: m, spec: s, drain: drain,
		workers: []*workertest.Worker{m.Start(s).WaitReady(), m.Start(s).WaitReady()}}
}

func (p *pool) roll(t *testing.T) {
	old := p.workers[0]
	p.workers = append(p.workers[1:], p.m.Start(p.spec).WaitReady())
	p.drain(old)
	if err := old.Wait(); err != nil {
		t.Fatalf("worker ended with %v\n%s", err, old.Output())
	}
	p.rolls++
}

// rollUnderLoad rolls until there were enough requests.
func rollUnderLoad(t *testing.T, p *pool, keep bool, requests int) workertest.Result {
	long, began := longRun(t), time.Now()
	load := workertest.Load{Addr: p.m.Addr, Keep: keep}.Start()
	for p.rolls < 12 || load.Count() < requests || time.Since(began) < long {
		p.roll(t)
	}
	r := load.Stop()
	t.Logf("keep %v, %d rolls: %v", keep, p.rolls, r)
	return r
}

func TestRollLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		keep  bool
		drain func(*workertest.Worker)
	}{
		{"fresh connections, signal", false, bySignal},
		{"kept connections, signal", true, bySignal},
		{"fresh connections, message", false, byMessage},
		{"kept connections, message", true, byMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPool(t, spec("serve"), c.drain)
			r := rollUnderLoad(t, p, c.keep, loadRequests)
			if r.LostSum() > 0 || len(r.Pages) < p.rolls/2 {
				t.Errorf("%d rolls: %v", p.rolls, r)
			}
		})
	}
}

// The load must find the losses of a program that only calls Shutdown.
func TestLoadSeesLosses(t *testing.T) {
	for _, keep := range []bool{false, true} {
		p := newPool(t, spec("naive"), bySignal)
		if r := rollUnderLoad(t, p, keep, loadRequests); r.LostSum() == 0 {
			t.Errorf("keep %v: no request was lost in %d rolls; this load sees nothing", keep, p.rolls)
		}
	}
}
