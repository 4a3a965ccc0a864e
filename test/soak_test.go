package test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"relevo/internal/config"
	"relevo/pool"
)

var (
	soakFor  = flag.Duration("soak", 10*time.Second, "how long TestSoak goes on")
	soakSeed = flag.Uint64("soak-seed", 0, "the order of TestSoak's actions; 0 for a new one")
)

// TestSoak does to a service what may happen to one in a year, in random order and under load: good
// and bad releases, deaths at any moment, other sizes, good and broken configurations, rollbacks.
// After each the promises are checked. -soak 10m makes it longer.
func TestSoak(t *testing.T) {
	takesLong(t)
	t.Parallel()
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	k := &soak{t: t, random: rand.New(rand.NewPCG(seed, 0)), done: map[string]int{}, workers: 3, version: 1}
	k.start()
	before := k.holds()
	end := k.load()
	for began := time.Now(); time.Since(began) < *soakFor && !t.Failed(); {
		actions := k.actions()
		name := slices.Sorted(maps.Keys(actions))[k.random.IntN(len(actions))]
		actions[name]()
		k.done[name]++
	}
	k.deploy("serve")
	k.put(`workers = 3`)
	k.reload(0)
	k.settled(3)
	report := end()
	after := k.holdsAtMost(before.files)

	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(k.done)) {
		fmt.Fprintf(rows, "%s\t%d\n", name, k.done[name])
	}
	lost := report.Total.Lost
	held, deaths := k.heldByDead()
	gone := lost.EOF + lost.Reset
	fmt.Fprintf(rows, "requests\t%d\nlost\t%d\nheld by dead workers\t%d\ndeaths\t%d\n", report.Total.Sent,
		lost.Total()-gone, gone, deaths)
	fmt.Fprintf(rows, "longest time without an answer\t%s\n", report.LongestGap)
	fmt.Fprintf(rows, "files of the master, before and after\t%d\t%d\n", before.files, after.files)
	fmt.Fprintf(rows, "its children\t%d\t%d\n", before.children, after.children)
	fmt.Fprintf(rows, "kept releases\t%d\t%d\n", before.releases, after.releases)
	rows.Flush()
	t.Logf("seed %d, %s:\n%s", seed, *soakFor, &table)
	if other := lost.Total() - gone; other > 0 || gone > int64(held+deaths) {
		t.Errorf("%d requests lost, dead workers held %d: %+v %+v", lost.Total(), held, lost, report.Samples)
	}
	if after.files > before.files || after.children != before.children {
		t.Errorf("the master has %+v, before: %+v", after, before)
	}
	if most := config.DefaultKeepReleases + 2; after.releases > most {
		t.Errorf("%d releases are kept, want %d at most", after.releases, most)
	}
}

// soak is a site whose configuration is a file that changes.
type soak struct {
	*site
	t       *testing.T
	random  *rand.Rand
	done    map[string]int
	workers int // in the configuration
	version int
}

const soakConfig = `
name = "site"
command = ["./app"]
ready_timeout = "5s"
canary = "300ms"
drain_timeout = "5s"
watch_binary = false
`

func (k *soak) start() {
	k.site = newSiteFrom(k.t, soakConfig+"listen = [\"web=127.0.0.1:0\"]\nworkers = 3\n")
	k.settled(3)
	// From the first roll on there is a generation for a rollback, with its files.
	k.deploy("serve")
	k.reload(0)
	k.settled(3)
}

// put writes the configuration, with one more line.
func (k *soak) put(more string) {
	path := filepath.Join(k.dir, "relevo.toml")
	if !strings.Contains(more, "listen = ") {
		more = `listen = ["web=127.0.0.1:0"]` + "\n" + more
	}
	if err := os.WriteFile(path, []byte(soakConfig+more+"\n"), 0o644); err != nil {
		k.t.Fatal(err)
	}
}

// reload requires one of these exit codes.
func (k *soak) reload(codes ...int) {
	k.t.Helper()
	if got, said := k.relevo("reload", "site"); !slices.Contains(codes, got) {
		k.t.Errorf("reload: exit code %d, want %v: %s", got, codes, said)
	}
}

func (k *soak) deploy(behaviour string) {
	k.version++
	k.release(fmt.Sprint(k.version), behaviour)
}

func (k *soak) actions() map[string]func() {
	bad := func(behaviour string, codes ...int) func() {
		return func() {
			k.deploy(behaviour)
			k.reload(codes...)
		}
	}
	return map[string]func(){
		"good release":            func() { k.deploy("serve"); k.reload(0) },
		"bad release: crashes":    bad("crash", 10),
		"bad release: late crash": bad("crash-500ms", 10),
		// On a slow machine the canary dies after its probation, and the release is rolled back
		// because of a crash storm.
		"bad release: probation":  bad("crash-on-probation", 10, 0),
		"death of a worker":       func() { k.kill(k.anyWorker()) },
		"death in a roll":         k.deathInRoll,
		"scale up and down":       k.scale,
		"configuration":           k.reconfigure,
		"listener added, removed": k.relisten,
		"limits":                  k.relimit,
		"damaged listener":        k.damage,
		"broken configuration": func() {
			k.put(`workers = "many"`)
			k.reload(6)
			k.put(fmt.Sprintf("workers = %d", k.workers))
		},
		"rollback": k.rollBack,
	}
}

func (k *soak) anyWorker() string {
	var ids []string
	for _, w := range k.status().Workers {
		if w.State == "serving" {
			ids = append(ids, w.ID)
		}
	}
	if len(ids) == 0 {
		return "" // earlier actions have killed all of them; new ones will follow
	}
	return ids[k.random.IntN(len(ids))]
}

// kill makes a worker die and waits until it is gone; it may also have gone before. It asks again
// and again, because a program that has only just started ignores the first request.
func (k *soak) kill(id string) {
	if id == "" {
		return
	}
	k.await("the death of worker "+id, func() bool {
		k.client.Signal(context.Background(), pool.Target{ID: id}, "USR1")
		return !slices.ContainsFunc(k.status().Workers, func(w pool.Worker) bool { return w.ID == id })
	})
}

// deathInRoll kills the worker of a random step of a roll. The roll may fail or succeed.
func (k *soak) deathInRoll() {
	k.deploy("serve")
	events, err := k.client.Events(context.Background())
	if err != nil {
		k.t.Fatal(err)
	}
	defer events.Close()
	fatal := k.random.IntN(12)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			e, _, err := events.Next()
			if err != nil || e.Kind == pool.KindRoll && e.Step == pool.StepEnded {
				return
			}
			if n == fatal && e.ID != "" {
				k.kill(e.ID)
			}
		}
	}()
	if code, said := k.relevo("reload", "site", "--force"); code != 0 && code != 10 {
		k.t.Errorf("reload: exit code %d: %s", code, said)
	}
	<-ended
}

func (k *soak) scale() {
	up := fmt.Sprintf("+%d", 1+k.random.IntN(2))
	for _, change := range []string{up, "-1", fmt.Sprint(k.workers)} {
		if code, said := k.relevo("scale", "site", change); code != 0 {
			k.t.Errorf("scale %s: exit code %d: %s", change, code, said)
		}
	}
}

func (k *soak) reconfigure() {
	k.workers = 2 + k.random.IntN(3)
	k.deploy("serve")
	k.put(fmt.Sprintf("workers = %d\n[env]\nROUND = \"%d\"", k.workers, k.version))
	k.reload(0)
	k.settled(k.workers)
	body, err := fetch(k.status().Listeners[0].Address, "/env")
	if want := fmt.Sprintf("\nROUND=%d\n", k.version); err != nil || !strings.Contains(body, want) {
		k.t.Errorf("%q is not in the environment: %v", want, err)
	}
}

// relisten adds a listener by one roll and removes it by another. Clients of the first listener
// notice neither.
func (k *soak) relisten() {
	k.deploy("serve") // the last release may be known to be bad
	k.put(fmt.Sprintf("workers = %d\nlisten = [\"web=127.0.0.1:0\", \"more=127.0.0.1:0\"]", k.workers))
	k.reload(0)
	listeners := k.status().Listeners
	if len(listeners) != 2 {
		k.t.Fatalf("listeners are %v, want two", listeners)
	}
	if _, err := fetch(listeners[1].Address, "/"); err != nil {
		k.t.Errorf("the added listener: %v", err)
	}
	k.put(fmt.Sprintf("workers = %d", k.workers))
	k.reload(0)
	if conn, err := net.Dial("tcp", listeners[1].Address); err == nil {
		conn.Close()
		k.t.Error("the removed listener accepts clients")
	}
}

// relimit gives workers a max_lifetime for a while.
func (k *soak) relimit() {
	k.deploy("serve")
	k.put(fmt.Sprintf("workers = %d\n[limits]\nmax_lifetime = \"500ms\"\nnice = 1\nrlimits = { nofile = %d }", k.workers,
		1000+k.version))
	k.reload(0)
	events := k.record()
	events.await(pool.KindRecycle, 1)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", k.inSlot(0).PID))
	if want := fmt.Sprint(1000 + k.version); err == nil && !strings.Contains(string(limits), want) {
		k.t.Errorf("%s is not in its limits: %s", want, limits)
	}
	events.close()
	k.put(fmt.Sprintf("workers = %d", k.workers))
	k.reload(0)
}

// damage makes workers set the shared listener to blocking, and one of them die, because listeners
// are inspected when a worker starts or leaves. The new worker may be quicker than the inspection,
// because a Go program makes inherited sockets non-blocking. Then it is tried again.
func (k *soak) damage() {
	events := k.record()
	defer events.close()
	for range 20 {
		k.settled(k.workers)
		k.await("a worker to do damage", func() bool { return k.block(events, k.anyWorker()) })
		k.kill(k.anyWorker())
		for began := time.Now(); time.Since(began) < time.Second; time.Sleep(glance) {
			if len(events.of(pool.KindHealed)) > 0 {
				return
			}
		}
	}
	k.t.Error("a listener that was made blocking was never reported")
}

// block says whether a worker has made the listener blocking. A worker that was just killed may
// still be listed as serving.
func (k *soak) block(events *eventLog, id string) (did bool) {
	if id == "" {
		return false
	}
	if _, err := k.client.Send(context.Background(), pool.Target{ID: id}, []byte(`"block"`)); err != nil {
		return false
	}
	about := func(e pool.Event) bool { return e.ID == id }
	return await(func() bool {
		did = slices.ContainsFunc(events.of(pool.KindMessage), about)
		return did || slices.ContainsFunc(events.of(pool.KindExit), about)
	}) && did
}

// rollBack goes to the last good release, if there is one.
func (k *soak) rollBack() {
	if code, said := k.relevo("rollback", "site"); code != 0 && !strings.Contains(said, "no other good release") {
		k.t.Errorf("rollback: exit code %d: %s", code, said)
	}
}

// siteHoldings are what the master has once no worker starts or leaves.
type siteHoldings struct{ files, children, releases int }

func (k *soak) holds() siteHoldings { return k.holdsAtMost(1 << 20) }

// holdsAtMost waits until everything that is being closed is closed.
func (k *soak) holdsAtMost(files int) (h siteHoldings) {
	k.t.Helper()
	pid := k.status().PID
	list := func(pattern string) int {
		found, _ := filepath.Glob(fmt.Sprintf(pattern, pid))
		return len(found)
	}
	await(func() bool {
		h.files = list("/proc/%d/fd/*")
		h.children = len(childrenOf(k.t, pid))
		return h.children == 3 && h.files <= files
	})
	copies, _ := filepath.Glob(filepath.Join(k.dir, "state", "site", "releases", "*", "app"))
	h.releases = len(copies)
	return h
}
