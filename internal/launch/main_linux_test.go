package launch

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"relevo/internal/testleft"
)

// tooLong bounds every wait of these tests; nothing takes that long.
const tooLong = 30 * time.Second

// glance is the pause between two looks at something that is awaited.
const glance = 2 * time.Millisecond

// roleEnv makes the test binary a worker; its value names the behaviour.
const roleEnv = "LAUNCH_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		behaviours[role].run()
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or each worker takes a second to end
	// These tests wait for time and other processes far more than for a CPU.
	flag.Parse()
	flag.Set("test.parallel", "8")
	before := testleft.OpenFiles()
	code := m.Run()
	os.Exit(testleft.Judge(code, testleft.Goroutines(), testleft.Files(before), testleft.Children(), unused(code)))
}

// behaviour is what a worker of these tests does. Each is declared beside its
// test; one that no test uses fails the run.
type behaviour struct {
	name string
	run  func()
	used atomic.Bool
}

var behaviours = map[string]*behaviour{}

func behaves(name string, run func()) *behaviour {
	if behaviours[name] != nil {
		panic("two behaviours are named " + name)
	}
	b := &behaviour{name: name, run: run}
	behaviours[name] = b
	return b
}

// command runs the test binary with this behaviour.
func (b *behaviour) command(env ...string) Command {
	b.used.Store(true)
	return Command{App: "app", Args: []string{self()}, Env: append([]string{roleEnv + "=" + b.name}, env...)}
}

// self is the path of the test binary, absolute, for workers run elsewhere.
var self = sync.OnceValue(func() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
})

// stay is what a worker does that waits for its end; it has one of its own.
func stay() {
	time.Sleep(2 * tooLong)
	os.Exit(99)
}

func unused(code int) string {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if flag.Lookup(name).Value.String() != "" {
			return "" // only a whole run can tell
		}
	}
	var names []string
	for name, b := range behaviours {
		if !b.used.Load() {
			names = append(names, name)
		}
	}
	if len(names) == 0 || code != 0 {
		return ""
	}
	slices.Sort(names)
	return fmt.Sprintf("no test uses the behaviours %q", names)
}

// await looks until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !holds(); time.Sleep(glance) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
