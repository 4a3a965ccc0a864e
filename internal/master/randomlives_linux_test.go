package master

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool/machine"
)

// long has random tests run for a minute.
var long = flag.Bool("long", false, "run random tests for a minute instead of a moment")

// TestRandomLives: requests, signals, deaths and successions in any order and at the same time.
// After all of them workers of the program of then serve, and the last master ends. Each
// succession finds nothing that only a first master needs.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rounds, deadline := 3, time.Now()
	if *long {
		deadline = deadline.Add(time.Minute)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for n := 0; n < rounds || time.Now().Before(deadline); n++ {
		way := []config.Upgrade{config.UpgradeTableflip, config.UpgradeExec}[random.IntN(2)]
		randomLife(t, way, rand.New(rand.NewPCG(seed, uint64(n))))
	}
}

func randomLife(t *testing.T, way config.Upgrade, random *rand.Rand) {
	l := newLives(t, way)
	l.works(t, "first")
	l.first()
	l.rewrite = withoutAccount
	var all sync.WaitGroup
	for range 3 {
		mine := rand.New(rand.NewPCG(random.Uint64(), 0))
		all.Go(func() {
			for range 8 {
				l.act(mine)
			}
		})
	}
	all.Wait()
	l.fails.Store(false)
	until(t, "the last master does not follow", func() bool { return l.upgrade() == nil })
	l.works(t, "last")
	until(t, "the last reload is not taken", func() bool {
		r, err := l.client().Reload(t.Context(), control.ReloadOptions{Force: true})
		return err == nil && r.Result == machine.OK
	})
	l.serves(anyNumber)
	l.end()
}

// patience of one who asks. Nothing depends on how long it is.
const patience = 5 * time.Second

// act asks for something. It may be refused.
func (l *lives) act(random *rand.Rand) {
	// Whoever asks gives up at some time: another one may have replaced what was asked for.
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	client, err := control.Connect(ctx, l.o.Places.ControlSocket("web"))
	if err != nil {
		return // one master has just followed another, or the first one has not begun
	}
	switch random.IntN(8) {
	case 0:
		l.writing.Lock()
		l.works(l.t, []string{"a", "b", "c"}[random.IntN(3)])
		l.writing.Unlock()
		client.ReloadNoWait(ctx, control.ReloadOptions{Force: true})
	case 1:
		client.Reload(ctx, control.ReloadOptions{})
	case 2:
		client.RollbackNoWait(ctx, "")
	case 3:
		client.Abort(ctx)
	case 4:
		l.now.Load().signals <- []os.Signal{unix.SIGTTIN, unix.SIGTTOU}[random.IntN(2)]
	case 5, 6:
		l.fails.Store(random.IntN(3) == 0)
		client.Upgrade(ctx)
		l.fails.Store(false)
	case 7:
		if s, err := client.Status(ctx); err == nil && len(s.Workers) > 0 && s.Workers[0].PID > 0 {
			unix.Kill(s.Workers[0].PID, unix.SIGKILL)
		}
	}
}
