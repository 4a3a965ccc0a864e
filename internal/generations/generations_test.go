package generations

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// bench has generations of a script that no test runs.
type bench struct {
	*Generations
	app     config.App
	blocked error
	program string
}

func newBench(t *testing.T, listen ...string) *bench {
	t.Helper()
	log, dir := slog.New(slog.DiscardHandler), t.TempDir()
	b := &bench{program: filepath.Join(dir, "program"), app: config.Default()}
	b.app.Name, b.app.Command, b.app.Dir, b.app.Listen = "web", []string{b.program}, dir, listens(t, listen...)
	b.write(t, "one")
	launcher, err := launch.New(launch.Options{SnapshotDir: t.TempDir(), KeepReleases: 5, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	set := listeners.New(listeners.Options{Log: log})
	t.Cleanup(func() { set.Close() })
	b.Generations = New(Options{
		Log: log, Launcher: launcher, Stopping: func() bool { return false },
		Sockets:   NewSockets(set, config.Places{Runtime: t.TempDir()}, "web", b.app.Listen),
		Admission: func(config.App) launch.Admission { return launch.Admission{} },
		Blocked:   func() error { return b.blocked },
	})
	return b
}

func listens(t *testing.T, texts ...string) (all []config.Listen) {
	t.Helper()
	for i, text := range texts {
		l, err := config.ParseListen(text)
		if err != nil {
			t.Fatal(err)
		}
		if l.Name == "" {
			l.Name = "l" + string(rune('0'+i))
		}
		all = append(all, l)
	}
	return all
}

// write puts another release in place of the program.
func (b *bench) write(t *testing.T, text string) {
	t.Helper()
	next := b.program + ".next"
	if err := os.WriteFile(next, []byte("#!/bin/sh\n# "+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, b.program); err != nil {
		t.Fatal(err)
	}
}

// prepare makes a generation that is closed at the end of the test.
func (b *bench) prepare(t *testing.T, app config.App) *Generation {
	t.Helper()
	g, err := b.Prepare(app, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// roll follows all steps of a roll that ends in this way.
func (b *bench) roll(to, from *Generation, result machine.Result) *Ended {
	b.Want(to)
	b.Follow(pool.StepBegan, "", to, from)
	b.Follow(pool.StepCanary, "", to, from)
	if result != machine.OK {
		b.Follow(pool.StepReverting, result, to, from)
	}
	return b.Follow(pool.StepEnded, result, to, from)
}

// accepts says whether a listener takes clients.
func accepts(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// TestMissing: no running app is without a generation.
func TestMissing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if got := b.Missing(); !reflect.DeepEqual(got, []string{"keys", "current", "wanted"}) {
		t.Errorf("missing at first: %v", got)
	}
	if serving, wanted := b.Keys(); serving != 0 || wanted != 0 || b.Serving() != nil {
		t.Error("something serves before anything was prepared")
	}
	b.Begin(b.prepare(t, b.app))
	if got := b.Missing(); got != nil {
		t.Errorf("missing: %v", got)
	}
	var none *Generations
	if none.Serving() != nil {
		t.Error("something serves before there are generations")
	}
	state := reflect.TypeFor[state]()
	for i := range state.NumField() {
		if reason, mayBeEmpty := state.Field(i).Tag.Lookup("empty"); mayBeEmpty && reason == "" {
			t.Errorf("%s may be empty, for no reason", state.Field(i).Name)
		}
	}
}

// TestRolls: what serves, what is wanted, and which sockets take clients, at the ends of rolls.
func TestRolls(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:0")
	first := b.prepare(t, b.app)
	b.Begin(first)
	old := first.Bound()[0].Address
	changed := b.app
	changed.Listen, changed.KeepReleases = listens(t, "other=127.0.0.2:0"), 7
	next := b.prepare(t, changed)
	ended := b.roll(next, first, machine.RolledBack)
	if b.Serving() != first || b.Wanted() != first || ended.Now.KeepReleases == 7 || !accepts(old) {
		t.Error("after a roll that failed the first generation does not serve")
	}
	next.Close()
	next = b.prepare(t, changed)
	ended = b.roll(next, first, machine.OK)
	if b.Serving() != next || b.Wanted() != next || ended.Before.KeepReleases == 7 || ended.Now.KeepReleases != 7 {
		t.Errorf("after a roll: %+v", ended)
	}
	if accepts(old) || !accepts(next.Bound()[0].Address) {
		t.Errorf("clients are not on the sockets of what serves: old %v %s, %+v", accepts(old), old, next.Bound())
	}
	third := b.prepare(t, b.app)
	b.Want(third)
	b.Follow(pool.StepEnded, machine.Aborted, b.prepare(t, changed), next)
	if b.Wanted() != third || b.Serving() != next {
		t.Error("the end of an older roll forgets what is wanted")
	}
}

// TestSetLive: settings that need no new workers count at once, also for what is to serve.
func TestSetLive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.prepare(t, b.app)
	b.Begin(first)
	next := b.prepare(t, b.app)
	b.Want(next)
	app := b.app
	app.DrainTimeout, app.Command = 77*time.Second, []string{"other"}
	before, now := b.SetLive(app)
	if before.DrainTimeout == now.DrainTimeout || next.App().DrainTimeout != 77*time.Second ||
		now.Command[0] != b.program {
		t.Errorf("before %+v, now %+v", before, now)
	}
}

// TestPrepareFails: of a generation that cannot be made nothing stays open, and nothing is
// opened while the sockets may be another master's.
func TestPrepareFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:0")
	first := b.prepare(t, b.app)
	b.Begin(first)
	missing := b.app
	missing.Command, missing.Listen = []string{"./missing"}, listens(t, "127.0.0.1:0", "127.0.0.1:0")
	if _, err := b.Prepare(missing, ""); err == nil {
		t.Fatal("a program that is missing is prepared")
	}
	if open := b.o.Sockets.Set.Listeners(); len(open) != 1 {
		t.Errorf("%d sockets are open", len(open))
	}
	if _, err := b.Prepare(b.app, strings.Repeat("0", 64)); err == nil {
		t.Error("a release that is not kept is prepared")
	}
	taken := b.app
	taken.Listen = listens(t, first.Bound()[0].Address, "also="+first.Bound()[0].Address)
	if _, err := b.Prepare(taken, ""); err == nil {
		t.Error("an address is opened twice")
	}
	b.blocked = pool.ErrHandedOver
	if _, err := b.Prepare(b.app, ""); !errors.Is(err, pool.ErrHandedOver) {
		t.Errorf("while another master may go on: %v", err)
	}
	b.blocked = nil
	b.Drop(b.prepare(t, b.app))
	if !accepts(first.Bound()[0].Address) {
		t.Error("to drop a generation closes the sockets of what serves")
	}
}

// TestVerdicts: what failed is refused until other bytes or settings come; what served before
// is what to go back to.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.prepare(t, b.app)
	b.Looked(first)
	b.Begin(first)
	b.Started(first)
	if b.LastLook() != first.Sum() || first.Sum() == "" {
		t.Errorf("last look: %s", b.LastLook())
	}
	b.write(t, "two")
	second := b.prepare(t, b.app)
	info := func(g *Generation) *pool.Info { i := g.Info(); return &i }
	ended := b.roll(second, first, machine.RolledBack)
	r := pool.RollResult{Result: machine.RolledBack, Reason: "exit 1", Blame: machine.BlameProgram, Release: info(second),
		FromRelease: info(first)}
	b.Judge(b.Rolled(r, ended))
	if reason := b.KnownBad(second); !strings.Contains(reason, "is known to be bad (exit 1") {
		t.Errorf("after a roll that failed: %q", reason)
	}
	if _, refused, err := b.Look(b.app); err != nil || !strings.Contains(refused, "known to be bad") {
		t.Errorf("a plan says %q, %v", refused, err)
	}
	if !b.Known(first).Good || !b.Known(second).Bad {
		t.Error("verdicts are lost")
	}
	b.write(t, "three")
	third := b.prepare(t, b.app)
	ended = b.roll(third, first, machine.OK)
	b.Judge(b.Rolled(pool.RollResult{Result: machine.OK, Release: info(third), FromRelease: info(first)}, ended))
	record, found := b.LastGood(third)
	if !found || record.SHA256 != first.Sum() {
		t.Errorf("to go back to: %+v", record)
	}
	back, err := b.Prepare(b.app, record.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { back.Close() })
	back.BackFrom(third)
	ended = b.roll(back, third, machine.OK)
	end := b.Rolled(pool.RollResult{Result: machine.OK, Release: info(back), FromRelease: info(third)}, ended)
	b.Judge(end)
	if known := b.Known(third); !known.Bad || known.Reason != decide.ByHand {
		t.Errorf("what a user rolled back from: %+v", known)
	}
	b.NotStarted(back, "no worker got ready")
	if !b.Known(back).Bad {
		t.Error("a start that failed is forgotten")
	}
}

// TestTakeOver: the generations of one master are those of the next, whichever of them serves.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:0")
	first := b.prepare(t, b.app)
	b.Looked(first)
	b.Begin(first)
	b.write(t, "two")
	app := b.app
	app.KeepReleases = 9
	second := b.prepare(t, app)
	trial, err := ParseTrial("3s", "10%")
	if err != nil {
		t.Fatal(err)
	}
	second.Try(trial)
	second.BackFrom(first)
	b.Want(second)
	left := Left{All: map[int]Legacy{}, LastLook: b.LastLook()}
	left.Serving, left.Wanted = b.Keys()
	files := map[int]map[string]*os.File{}
	for number, g := range map[int]*Generation{1: first, 2: second} {
		known, l := g.Legacy(), Legacy{}
		if err := json.Unmarshal(known.State, &l); err != nil {
			t.Fatal(err)
		}
		left.All[number], files[number] = l, known.Files
	}
	left.Files = func(number int) map[string]*os.File { return files[number] }
	next := New(b.o)
	releases, err := next.TakeOver(left)
	if err != nil {
		t.Fatal(err)
	}
	if missing := next.Missing(); missing != nil || len(releases) != 2 {
		t.Errorf("missing: %v of %v", missing, releases)
	}
	got := next.Wanted()
	if serving, wanted := next.Keys(); serving != 1 || wanted != 2 || next.Serving() != releases[1] || got != releases[2] {
		t.Errorf("keys %d and %d", serving, wanted)
	}
	if got.App().KeepReleases != 9 || got.Fingerprint() != second.Fingerprint() || got.Sum() != second.Sum() ||
		got.backFrom != second.backFrom || got.Patience().Canary != 3*time.Second ||
		!reflect.DeepEqual(got.Bound(), second.Bound()) || next.LastLook() != b.LastLook() {
		t.Errorf("got %+v, want %+v", got, second)
	}
	if g, err := next.Prepare(b.app, ""); err != nil || g.key != 3 {
		t.Errorf("the next key is %d, %v", g.key, err)
	} else {
		g.Close()
	}
	left.Serving = 7
	if _, err := New(b.o).TakeOver(left); !errors.Is(err, ErrLegacy) {
		t.Errorf("without what serves: %v", err)
	}
	left.Serving = 1
	lost := left.All[1]
	lost.Listeners = []int{99}
	left.All[1] = lost
	if _, err := New(b.o).TakeOver(left); !errors.Is(err, ErrLegacy) {
		t.Errorf("without a socket: %v", err)
	}
}
