package dev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/testreq"
	"relevo/pool"
	"relevo/pool/machine"
)

// building is a build that fails if the file contains the word bad.
const building = `if grep -q bad in; then echo "in:1:2: it is bad"; exit 1; fi; cp in {out}`

// TestLoop: a save is built, moved into place and rolled to. After a failed build the workers stay,
// and the next good build clears the failure.
func TestLoop(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{Build: building}, map[string]string{"in": "one"})
	out := r.loop.Command([]string{"sh", "{out}"})[1]
	built := func(want string) {
		t.Helper()
		if text, err := os.ReadFile(out); err != nil || string(text) != want {
			t.Errorf("%q is in place, %v, want %q", text, err, want)
		}
	}
	r.run()
	r.hears("say watching 1 file in 1 directory")
	r.hears("page reload")
	r.hears("say started → built ")
	built("one")

	r.save("in", "two")
	r.hears("reload force")
	r.hears("page reload " + filepath.Join(r.src, "in"))
	if line := r.hears("say saved in → built "); !strings.HasSuffix(line, " (0 dropped)") || !strings.Contains(line,
		" → live ") {
		t.Errorf("the cycle is told as %s", line)
	}
	built("two")

	r.save("in", "bad")
	if line := r.hears("say build failed"); line != "say build failed\n    in:1:2: it is bad\n"+
		"  the workers keep serving; the next save tries again" {
		t.Errorf("a broken build is told as %s", line)
	}
	r.hears("warn dev build failed: in:1:2: it is bad")
	r.hears("page fail build failed")
	built("two")

	r.save("in", "three")
	r.hears("reload force")
	r.hears("warn dev")
	r.hears("page clear")
	r.hears("say saved in")
	built("three")
}

// TestNewerSave: a newer save cancels the build of an older one.
func TestNewerSave(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{Build: `if grep -q slow in; then echo >../began; sleep 300; fi; cp in {out}`},
		map[string]string{"in": "one"})
	r.run()
	r.hears("page reload")
	r.save("in", "slow")
	began := filepath.Join(filepath.Dir(r.src), "began")
	for late := time.After(tooLong); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(began); err == nil {
			break
		}
		select {
		case <-late:
			t.Fatal("the slow build does not begin")
		default:
		}
	}
	r.save("in", "two")
	r.hears("reload force")
	if text, err := os.ReadFile(r.loop.Command([]string{"{out}"})[0]); err != nil || string(text) != "two" {
		t.Errorf("%q is in place, %v", text, err)
	}
}

// TestRollsThatFail: each reason why new workers do not serve is reported.
func TestRollsThatFail(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{}, map[string]string{"a.py": "", "b.py": "", "c.py": ""})
	r.run()
	r.hears("page reload")
	failed := pool.RollResult{Result: machine.RolledBack, Reason: "exit status 1: NameError: x", Hint: "look there",
		Tail: []string{"  File \"a.py\", line 3", "NameError: x"}}
	r.ends(failed, nil)
	r.save("a.py", "1")
	if line := r.hears("say the new worker"); !strings.HasPrefix(line, "say the new worker did not start: exit "+
		"status 1 "+
		"(look there)\n      File \"a.py\", line 3\n    NameError: x\n") {
		t.Errorf("a worker that dies is told as %s", line)
	}
	r.hears("warn dev the new worker did not start: exit status 1 (look there): a.py:3: NameError: x")

	r.ends(pool.RollResult{}, &control.Refusal{Err: errors.New("cannot read relevo.toml"), Stays: "the rest stays"})
	r.save("b.py", "1")
	if line := r.hears("say cannot"); !strings.HasPrefix(line, "say cannot read relevo.toml\n  the workers "+
		"keep serving") {
		t.Errorf("a configuration with errors is told as %s", line)
	}
	r.keys <- 'l' // no save is to blame, and there is no warning
	r.hears("rollback")
	if line := r.hears("say cannot"); !strings.HasSuffix(line, "stays") {
		t.Errorf("a rollback that is refused is told as %s", line)
	}

	r.ends(pool.RollResult{Result: machine.Aborted}, nil)
	r.save("c.py", "1")
	r.hears("reload")
	r.ends(pool.RollResult{Result: machine.OK}, nil)
	r.keys <- 'r'
	r.hears("reload")
	r.hears("warn dev")
	r.hears("say started → live ")
}

// TestFirstStart: the master waits until a program was built, and again after a failed start.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{Build: building}, map[string]string{"in": "bad"})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.loop.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	r.loop.Attach(r)
	r.hears("say build failed\n    in:1:2: it is bad\n  nothing serves yet; clients wait")
	r.keys <- 'r'
	r.hears("say nothing serves yet: b builds again")
	r.keys <- 'l'
	r.hears("say nothing serves yet")
	impatient, tired := context.WithCancel(ctx)
	tired()
	if err := r.loop.Await(impatient, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was cancelled ends with %v", err)
	}
	r.save("in", "one")
	if err := r.loop.Await(ctx, nil); err != nil {
		t.Fatal(err)
	}
	// The start fails. The file saved meanwhile is tried next.
	asked := make(chan error)
	go func() {
		asked <- r.loop.Await(ctx, &pool.StartError{Reason: "exit status 3", Tail: []string{"no database"}})
	}()
	r.hears("say the new worker did not start: exit status 3\n    no database\n  nothing serves yet")
	r.save("in", "two")
	if err := <-asked; err != nil {
		t.Fatal(err)
	}
	r.loop.Serving()
	r.loop.Serving() // has an effect once
	r.hears("say saved in → built ")
	cancel()
	<-ended
	if err := r.loop.Await(context.Background(), nil); err == nil {
		t.Error("a loop that has ended has something to start")
	}
}

// TestKeys: the effect of each key.
func TestKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{Build: building}, map[string]string{"in": "one"})
	r.status = control.Status{Name: "web", Listeners: []control.Listener{{Address: "127.0.0.1:80"}},
		Warnings: []string{"look"}, Status: pool.Status{State: "running", Generation: 7,
			Workers: []pool.Worker{{State: string(machine.Serving)}, {State: "backoff"}}}}
	r.run()
	r.hears("page reload")
	for _, key := range []struct {
		key  byte
		want []string
	}{
		{'r', []string{"reload force", "say started → live "}},
		{'b', []string{"reload force", "say started → built "}},
		{'l', []string{"rollback", "say back to the last good release → live "}},
		{'s', []string{"say web running · generation 7 · 1 of 2 workers serve · 1 file in 1 directory\n  look"}},
		{'c', []string{"clear screen"}},
		{'o', []string{"open 127.0.0.1:80"}},
		{'?', []string{"say keys:\n    r  roll"}},
		{'h', []string{"say keys:"}},
		{'p', []string{"say paused: saves wait; p resumes"}},
	} {
		r.keys <- key.key
		for _, want := range key.want {
			r.hears(want)
		}
	}
	r.save("in", "two")
	waits := "say web running · generation 7 · 1 of 2 workers serve · 1 file in 1 directory · paused, 1 file waits"
	for late := time.After(tooLong); !strings.HasPrefix(r.saysOf('s'), waits); {
		select {
		case <-late:
			t.Fatal("a save while it is paused is not counted")
		default:
		}
	}
	r.keys <- 'p'
	r.hears("say resumed, with 1 file that changed")
	r.hears("reload force")
	r.hears("say saved in → built ")
	r.keys <- 'q'
	r.hears("say stopping")
	r.hears("stop")
	close(r.keys) // the terminal is gone
	r.save("in", "three")
	r.hears("say saved in → built ")
}

func (r *rig) saysOf(key byte) string {
	r.t.Helper()
	r.keys <- key
	return r.hears("say web")
}

// TestRules: what a rule writes belongs to the same cycle, and workers stay if none of their files
// has changed.
func TestRules(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{Watch: []string{"*.py", "!no.py"}, Rules: []config.DevRule{
		{Name: "words", Inputs: []string{"*.txt"}, Command: "cat a.txt >words.gen"},
		{Inputs: []string{"words.gen"}, Command: "test -s words.gen && cp words.gen lib.py"},
		{Inputs: []string{"page.md"}, Command: "true"},
	}}, map[string]string{"a.txt": "one", "app.py": "", "page.md": ""})
	r.run()
	r.hears("page reload")
	r.save("a.txt", "two")
	r.hears("reload force")
	r.hears("say saved a.txt") // files that the rules write may be named too
	if text, _ := os.ReadFile(filepath.Join(r.src, "lib.py")); string(text) != "two" {
		t.Errorf("the second rule has read %q", text)
	}
	r.save("page.md", "new")
	r.hears("page reload " + filepath.Join(r.src, "page.md"))
	if line := r.hears("say saved page.md"); !strings.HasSuffix(line, " → nothing to replace") {
		t.Errorf("a step after which the workers stay is told as %s", line)
	}
	r.save("a.txt", "")
	r.hears("say test failed: exit status 1, without a word")
}

// TestBuildThatWritesInputs: a build that changes its own input is reported.
func TestBuildThatWritesInputs(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{Build: "date +%s.%N >stamp.txt"}, map[string]string{"in": "one"})
	r.run()
	// The change is seen at the end of the build or a moment later.
	if line := r.hears("say stamp.txt changes each time that something is built"); !strings.HasSuffix(line,
		" add it to .gitignore or leave it out with --watch '!stamp.txt'") {
		t.Errorf("the loop is told as %s", line)
	}
	r.save("in", "two")
	r.hears("reload force")
}

// TestEvents: what happens between rolls is reported.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Dev{}, map[string]string{"a.py": ""})
	r.run()
	r.hears("page reload")
	none, two := 0, 2
	r.events <- pool.Event{Kind: pool.KindKilling, ID: "3", Open: &none}
	r.events <- pool.Event{Kind: pool.KindKilling, ID: "4", Open: &two}
	if line := r.hears("say worker"); line != "say worker 4 was killed at the end of its time to drain, with 2 "+
		"connections open" {
		t.Errorf("a kill is told as %s", line)
	}
	r.events <- pool.Event{Kind: pool.KindRoll, Step: pool.StepReverting, Reason: "killed by SIGSEGV",
		Tail: []string{"a.py:1: oh"}}
	r.hears("say the new workers crash: killed by SIGSEGV\n    a.py:1: oh")
	close(r.events) // the pool has ended
	r.save("a.py", "1")
	r.hears("reload")
}

// TestGoProgram: a Go package is built without any configuration; a library cannot be run.
func TestGoProgram(t *testing.T) {
	testreq.Program(t, "go")
	t.Parallel()
	r := newRig(t, config.Dev{Package: "."}, map[string]string{"go.mod": "module x\n\ngo 1.24\n",
		"main.go": "package main\n\nfunc main() {}\n"})
	r.run()
	r.hears("say started → built ")
	if info, err := os.Stat(r.loop.Command(nil)[0]); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("what was built: %v", err)
	}
	if got := strings.Join(r.loop.Command([]string{".", "-v"})[1:], " "); got != "-v" {
		t.Errorf("its arguments are %s", got)
	}
	r.save("main.go", "package main\n\nfunc main() { x := 1 }\n")
	r.hears("say go build failed\n    ./main.go:3:15: declared and not used: x\n")
	r.save("main.go", "package lib\n")
	r.hears("say go build failed: cannot run what was built, which is a library: the package is not called main")
	r.save("words.go", "package main\n\nconst word = \"1\"\n")
	r.save("main.go", "package main\n\nfunc main() { println(word) }\n")
	r.hears("reload force")
}
