package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/testreq"
)

// TestDevNoBuild: without a build each save is a roll. Ignored files cause none.
func TestDevNoBuild(t *testing.T) {
	testreq.Program(t, "python3")
	t.Parallel()
	s := newDevSite(t, map[string]string{"app.py": pythonServer("one"), ".gitignore": "data/\n*.log\n", "data/x": "x"})
	s.dev("--", "python3", "app.py")
	s.serves("one")
	s.save("app.py", pythonServer("two"))
	s.serves("two")
	s.quiet()
	rolls := s.status().Generation
	s.save("data/x", "y")
	s.save("a.log", "y")
	s.save("app.py", pythonServer("next")) // the page of an earlier save would appear first
	s.serves("next")
	s.await("the cycle's line", func() bool { return s.count("saved app.py → ready ") == 2 })
	if now := s.status().Generation; now != rolls+1 || s.count("a.log")+s.count("data/x") > 0 {
		t.Errorf("ignored files made %d rolls:\n%s", now-rolls-1, s.log)
	}
	s.save("app.py", "this is not python")
	s.await("a warning", func() bool {
		warnings := s.status().Warnings
		return len(warnings) == 1 && strings.Contains(warnings[0], "NameError") && strings.Contains(warnings[0], "app.py:1")
	})
	if got := s.get(); got != "next" {
		t.Errorf("a broken script: %q", got)
	}
	if n := s.count("NameError"); n != 3 { // in the output, the report of the death, and of the failed start
		t.Errorf("the error is printed %d times", n)
	}
	s.save("app.py", pythonServer("three"))
	s.serves("three")
	s.save("page.html", "new")
	s.await("a roll for a new file", func() bool { return s.count("saved page.html") == 1 })
}

// TestDevRules: steps run in their order, each if its inputs have changed. What one step writes is
// an input of the next in the same cycle.
func TestDevRules(t *testing.T) {
	testreq.Program(t, "python3")
	t.Parallel()
	s := newDevSite(t, map[string]string{
		"relevo.toml": `command = ["python3", "app.py"]
[dev]
watch = ["*.py", "!app.py"]
build = "cat app.in >app.py; echo build >>../steps"
[[dev.rules]]
name = "words"
inputs = ["words/*.txt", "!words/no.txt"]
command = "cat words/*.txt >words.gen; echo words >>../steps"
[[dev.rules]]
name = "code"
inputs = ["words.gen", "app.in"]
command = "test -f words.gen && echo code >>../steps && echo \"# $(cat words.gen)\" >lib.py"
`,
		"app.in": pythonServer("one"), "words/a.txt": "hello",
	})
	s.dev()
	s.serves("one")
	steps := func(want string) {
		t.Helper()
		s.await("the steps "+want, func() bool {
			text, _ := os.ReadFile(filepath.Join(s.dir, "steps"))
			return len(strings.Fields(string(text))) >= len(strings.Fields(want))
		})
		s.quiet()
		text, _ := os.ReadFile(filepath.Join(s.dir, "steps"))
		if got := strings.Join(strings.Fields(string(text)), " "); got != want {
			t.Fatalf("steps: %s, want %s", got, want)
		}
		os.Remove(filepath.Join(s.dir, "steps"))
	}
	steps("words code build")
	s.save("words/a.txt", "changed")
	steps("words code build") // lib.py is one of *.py
	s.save("words/no.txt", "not an input, and yet it is read")
	s.save("app.in", pythonServer("two"))
	steps("code")
	s.save("other.py", "x = 1")
	steps("build")
	s.serves("two")
}

// TestDevLoop: a build that writes into the watched directories is noticed, and later changes by
// hand are still served.
func TestDevLoop(t *testing.T) {
	testreq.Program(t, "python3")
	t.Parallel()
	s := newDevSite(t, map[string]string{"app.py": pythonServer("one")})
	s.dev("--build", "date +%s.%N >stamp.txt", "--", "python3", "app.py")
	s.serves("one")
	s.says("stamp.txt changes each time that something is built")
	s.save("app.py", pythonServer("two"))
	s.serves("two")
	s.say2nd()
}

// say2nd waits until relevo dev has slowed down the loop.
func (s *devSite) say2nd() {
	s.t.Helper()
	before := s.count("→ built")
	s.quiet()
	if more := s.count("→ built") - before; more > 10 {
		s.t.Errorf("%d more builds", more)
	}
}

// TestDevCancel: a newer save ends the running build and all processes that it started.
func TestDevCancel(t *testing.T) {
	testreq.Program(t, "python3")
	t.Parallel()
	s := newDevSite(t, map[string]string{"app.py": pythonServer("one"), "slow": "no"})
	s.dev("--build", `if grep -q yes slow; then sleep 300 & echo $! >../child; wait; fi`, "--watch", "*.py", "--watch",
		"slow", "--", "python3", "app.py")
	s.serves("one")
	s.save("slow", "yes")
	s.await("the slow build", func() bool { _, err := os.Stat(filepath.Join(s.dir, "child")); return err == nil })
	s.save("app.py", pythonServer("two"))
	s.save("slow", "no")
	s.serves("two")
	text, _ := os.ReadFile(filepath.Join(s.dir, "child"))
	child := strings.TrimSpace(string(text))
	s.await("the end of the build's child", func() bool { _, err := os.Stat("/proc/" + child); return err != nil })
}

// TestDevOut: the file for {out} is built outside of the tree and put in place by rename.
func TestDevOut(t *testing.T) {
	testreq.Program(t, "python3")
	t.Parallel()
	s := newDevSite(t, map[string]string{"app.in": pythonServer("one")})
	s.dev("--build", "cp app.in {out}", "--", "python3", "{out}")
	s.serves("one")
	s.save("app.in", pythonServer("two"))
	s.serves("two")
	s.quiet()
	if g := s.status().Generation; g != 2 {
		t.Errorf("generation %d after one save", g)
	}
}
