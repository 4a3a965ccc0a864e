package master

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
)

// long has random tests run for a minute.
var long = flag.Bool("long", false, "run random tests for a minute instead of a moment")

// TestRandomLives: requests, signals, deaths and successions in any order and at the same time.
// After all of them workers of the current program serve, and the last master ends. Each successor
// begins although it finds nothing that only a first master needs. No master reports an error as its
// own.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rounds, deadline := 3, time.Now()
	if *long {
		deadline = deadline.Add(time.Minute)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	n := 0
	for ; n < rounds || time.Now().Before(deadline) && roomForMasters(t); n++ {
		way := []config.Upgrade{config.UpgradeTableflip, config.UpgradeExec}[random.IntN(2)]
		randomLife(t, way, n%2 == 0, rand.New(rand.NewPCG(seed, uint64(n))))
	}
	t.Logf("%d apps", n)
}

// roomForMasters says whether this process may open many more files. In a test a master that
// replaces itself by an exec never ends, so files that the exec would close stay open.
func roomForMasters(t *testing.T) bool {
	t.Helper()
	var limit unix.Rlimit
	open, err := os.ReadDir("/proc/self/fd")
	if err := errors.Join(err, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)); err != nil {
		t.Fatal(err)
	}
	return uint64(len(open)) < limit.Cur/2
}

// randomLife is the life of an app. With early, its first masters follow each other before anything
// serves.
func randomLife(t *testing.T, way config.Upgrade, early bool, random *rand.Rand) {
	l := newLives(t, way)
	l.rewrite, l.hides = withoutAccount, true
	if early {
		open := l.starts()
		l.succeed(1 + random.IntN(2))
		open()
	} else {
		l.works(t, "first")
		l.first()
	}
	l.serves(anyNumber) // if a worker is killed before any has served, the first start ends
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
	l.asks("the last master does not follow", func(ctx context.Context, client *control.Client) error {
		_, err := client.Upgrade(ctx)
		return err
	})
	l.writes("last")
	l.asks("the last reload is not taken", func(ctx context.Context, client *control.Client) error {
		r, err := client.Reload(ctx, control.ReloadOptions{Force: true})
		return errors.Join(err, r.Error())
	})
	l.serves(anyNumber)
	l.end()
	l.log.mu.Lock()
	defer l.log.mu.Unlock()
	for _, text := range l.log.errors {
		t.Error(text)
	}
}

// patience is how long a request is repeated: a new master may have replaced the master that was asked.
// Its exact length does not matter.
const patience = 10 * time.Second

// asks sends a request until it is done.
func (l *lives) asks(otherwise string, do func(context.Context, *control.Client) error) {
	l.t.Helper()
	for deadline := time.Now().Add(tooLong); ; time.Sleep(time.Millisecond) {
		ctx, cancel := context.WithTimeout(l.t.Context(), patience)
		err := do(ctx, l.client())
		cancel()
		switch {
		case err == nil:
			return
		case time.Now().After(deadline):
			l.t.Fatalf("%s: %v", otherwise, err)
		}
	}
}

// writes writes a release that serves, but not while a successor is kept from seeing it.
func (l *lives) writes(text string) {
	l.t.Helper()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.works(l.t, text)
}

// act sends a random request, which may be refused.
func (l *lives) act(random *rand.Rand) {
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	client, err := control.Connect(ctx, l.o.Places.ControlSocket("web"))
	if err != nil {
		return // a master has just been replaced, or the first one has not begun
	}
	switch random.IntN(13) {
	case 0:
		l.writes([]string{"a", "b", "c"}[random.IntN(3)])
		client.ReloadNoWait(ctx, control.ReloadOptions{Force: true})
	case 1:
		client.Reload(ctx, control.ReloadOptions{})
	case 2:
		client.RollbackNoWait(ctx, "")
	case 3:
		client.Abort(ctx)
	case 4:
		l.now.Load().signals <- []os.Signal{unix.SIGTTIN, unix.SIGTTOU, unix.SIGHUP}[random.IntN(3)]
	case 5, 6:
		l.fails.Store(random.IntN(3) == 0)
		client.Upgrade(ctx)
		l.fails.Store(false)
	case 7:
		if s, err := client.Status(ctx); err == nil && len(s.Workers) > 0 && s.Workers[0].PID > 0 {
			unix.Kill(s.Workers[0].PID, unix.SIGKILL)
		}
	case 8:
		client.Scale(ctx, []string{"+1", "-1", "2"}[random.IntN(3)])
	case 9:
		client.Promote(ctx)
	case 10:
		client.Recycle(ctx, random.IntN(2))
	case 11:
		client.Send(ctx, pool.Target{}, json.RawMessage(`{"hello":"all"}`))
	case 12:
		client.Signal(ctx, pool.Target{}, "WINCH")
	}
}
