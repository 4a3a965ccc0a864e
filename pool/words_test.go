package pool_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// constants returns the string constants of a type in a file, and the doc comment of the file's
// package.
func constants(t *testing.T, path, ofType string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == ofType {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	slices.Sort(values)
	return values
}

// defined returns the words that the package comment defines, in their order.
func defined(t *testing.T) (words []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^\t(\w+) {2,}\w`).FindAllStringSubmatch(file.Doc.Text(), -1) {
		words = append(words, match[1])
	}
	return words
}

// States, kinds and fields use the words that the package comment defines.
func TestWords(t *testing.T) {
	words := defined(t)
	if len(words) != len(slices.Compact(slices.Sorted(slices.Values(words)))) || len(words) < 10 {
		t.Fatalf("words defined: %v", words)
	}
	has := func(what string) {
		t.Helper()
		if !slices.Contains(words, what) {
			t.Errorf("%q is used, but not defined in %v", what, words)
		}
	}
	has(string(machine.Backoff))
	for word, used := range map[string]string{
		"drain": string(machine.Draining), "kill": string(machine.Killing),
	} {
		has(word)
		if !strings.HasPrefix(used, word) {
			t.Errorf("state %q is not the word %q", used, word)
		}
	}
	kinds := constants(t, "event.go", "Kind")
	for _, kind := range []pool.Kind{pool.KindReady, pool.KindRespawn, pool.KindRoll} {
		has(string(kind))
	}
	has(string(pool.StepCanary))
	for _, state := range []machine.State{machine.Draining, machine.Stopping, machine.Killing} {
		if !slices.Contains(kinds, string(state)) {
			t.Errorf("a worker that is %q has no event of that name", state)
		}
	}
	// Node's cluster module has these events, and its users will look for them.
	for _, kind := range []string{"fork", "online", "listening", "message", "disconnect", "exit"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("no event %q", kind)
		}
	}
	has("slot")
	has("generation")
	has("worker")
}

// Every kind and every step that is declared is also used.
func TestEveryKindHappens(t *testing.T) {
	kinds, steps := map[string]bool{}, map[string]bool{}
	note := func(events []pool.Event) {
		for _, e := range events {
			kinds[string(e.Kind)] = true
			if e.Step != "" {
				steps[string(e.Step)] = true
			}
		}
	}
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Broken))
		<-r.ran
		note(r.events())
	})
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 2, release, func(o *pool.Options) { o.Release.(*pooltest.Release).ListensOn(":80") })
		half := func(p *pooltest.Process) {
			if p.Order.Slot == 0 {
				pooltest.Obedient(p)
				return
			}
			pooltest.Mute(p) // and later: stopping
		}
		r.roll(r.release("v2", half))
		<-r.roll(r.release("v3", half))
		release.Process(2).Say(ipc.Status{Text: "7 jobs"})
		release.Process(2).Exit(1)
		slow, _ := subscribe(t, r)
		busy := release.Living()[0]
		flood(busy, pool.SubscriberBuffer+1)
		got, _ := collect(slow)
		busy.Say(ipc.App{Data: []byte(`1`)})
		busy.Bind("127.0.0.1:3000")
		busy.Flood("notify socket")
		busy.Say(ipc.Load{Wrong: `"abc"`})
		busy.Hang("floods the notify socket")
		synctest.Wait()
		r.Publish(pool.Event{Kind: pool.KindHealed})
		if err := r.Recycle(r.last(pool.KindReady).ID, machine.CauseMemory, "old"); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []pool.Kind{pool.KindUnhealthy, pool.KindHealthy} {
			if err := r.PublishFor(r.last(pool.KindReady).ID, pool.Event{Kind: kind}); err != nil {
				t.Fatal(err)
			}
		}
		more, _ := collect(slow)
		note(append(got, more...))
		immortal := r.release("v4", nil)
		r.roll(immortal)
		immortal.Living()[0].Ready()
		pass(time.Second)
		immortal.Living()[1].Ready()
		if _, _, err := r.Resize(to(1)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		for _, p := range immortal.Living() {
			p.Die(syscall.SIGKILL)
		}
		synctest.Wait()
		r.Force()
		synctest.Wait()
		for _, p := range immortal.Living() {
			p.Die(syscall.SIGKILL)
		}
		<-r.ran
		note(r.events())
	})
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient)).succeed()
		if err := errors.Join(r.Sleep("no client"), r.Wake(1, "a client came")); err != nil {
			t.Fatal(err)
		}
		note(r.events())
	})
	wantEqual(t, "kinds", slices.Sorted(maps.Keys(kinds)), constants(t, "event.go", "Kind"))
	wantEqual(t, "steps", slices.Sorted(maps.Keys(steps)), constants(t, "event.go", "Step"))
}
