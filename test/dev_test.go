package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/internal/testreq"
)

// TestDevGo: in a Go module no flag is needed. Good saves are served, bad ones leave the serving
// workers alone, and a save that changes nothing builds nothing.
func TestDevGo(t *testing.T) {
	t.Parallel()
	s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": goServer("one", "")})
	s.dev("-n", "2")
	s.serves("one")
	s.settled(2)
	s.says("▸ site http://" + s.status().Listeners[0].Address + "\n") // no terminal, so no color
	s.save("main.go", goServer("two", ""))
	s.serves("two")
	pids := s.settled(2)
	cycle := regexp.MustCompile(`▸ saved main\.go → built \d+\.\d\ds → ready \d+\.\d\ds → live ` +
		`\d+\.\d\ds \(0 dropped\)\n`)
	s.await("the cycle's line", func() bool { return cycle.MatchString(s.log.String()) })

	s.save("main.go", strings.Replace(goServer("three", ""), "listener, err", "listner, err", 1))
	s.says("▸ go build failed\n    ./main.go:12:2: declared and not used: listner\n    ./main.go:17:")
	s.warns("main.go:12:2: declared and not used: listner (and 1 more)")
	if code, said := s.relevo("status", "--json", "site"); code != 0 || !strings.Contains(said, "go build failed") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if s.get() != "two" || !slices.Equal(s.settled(2), pids) {
		t.Error("a save that does not compile touched the workers")
	}

	s.save("main.go", goServer("four", `fmt.Fprintln(os.Stderr, "no database"); os.Exit(7)`))
	s.says("no database")
	s.says("the new worker did not start")
	if s.get() != "two" || !slices.Equal(s.settled(2), pids) {
		t.Error("a program that does not start touched the workers")
	}
	s.warns("did not start")

	s.save("main.go", strings.Replace(goServer("five", ""), "package main", "package mian", 1))
	s.says("go build failed: cannot run what was built, which is a library: the package is not called main")

	s.save("main.go", goServer("five", ""))
	s.serves("five")
	s.await("no warning", func() bool { return len(s.status().Warnings) == 0 })
	s.quiet()
	before := s.log.String()
	s.save("main.go", goServer("five", "")) // the same bytes
	s.save("main_test.go", "package main\n")
	s.save("README.md", "not a part of the program")
	if err := os.Chtimes(filepath.Join(s.src, "main.go"), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	// Only a later change is reported next.
	s.save("main.go", goServer("six", ""))
	s.serves("six")
	after := func() string { return strings.TrimPrefix(s.log.String(), before) }
	s.await("the cycle's line", func() bool { return strings.Contains(after(), "→ live") })
	if told := after(); strings.Count(told, "▸") != 1 || !strings.HasPrefix(told, "▸ saved main.go → built ") {
		t.Errorf("something that is no change is reported:\n%s", told)
	}
}

// TestDevGoPackages: changes of the program's other packages, of embedded files, of its module file,
// and of packages that are added later.
func TestDevGoPackages(t *testing.T) {
	takesLong(t)
	t.Parallel()
	server := func(imports, text string) string {
		return strings.Replace(strings.Replace(goServer("TEXT", ""), `"TEXT"`, text, 1), "import (", "import (\n"+imports, 1)
	}
	s := newDevSite(t, map[string]string{
		"go.mod":               devModule,
		"cmd/srv/main.go":      server(`"devsite/text"`, "text.Hello"),
		"text/text.go":         "package text\n\nimport _ \"embed\"\n\n//go:embed pages/hello.txt\nvar Hello string\n",
		"text/pages/hello.txt": "embedded",
		"unused/unused.go":     "package unused\n",
	})
	s.dev("./cmd/srv")
	s.serves("embedded")
	s.save("text/pages/hello.txt", "changed")
	s.serves("changed")
	s.save("unused/unused.go", "package unused\n\nvar X int\n")
	// A package is imported before it exists.
	s.save("cmd/srv/main.go", server(`"devsite/later"`, "later.Text()"))
	s.says("go build failed")
	s.save("later/later.go", "package later\n\nfunc Text() string { return \"later\" }\n")
	s.serves("later")
	s.save("later/later.go", "package later\n\nfunc Text() string { return text }\n")
	s.save("later/more/.keep", "")
	s.save("later/other.go", "package later\n\nconst text = \"from a new file\"\n")
	s.serves("from a new file")
	if err := os.Rename(filepath.Join(s.src, "later"), filepath.Join(s.src, "soon")); err != nil {
		t.Fatal(err)
	}
	s.save("cmd/srv/main.go", server(`later "devsite/soon"`, "later.Text()"))
	s.save("soon/other.go", "package later\n\nconst text = \"moved\"\n")
	s.serves("moved")
	// The last Go file is removed, and comes back.
	s.quiet()
	if err := os.Rename(filepath.Join(s.src, "cmd/srv/main.go"), filepath.Join(s.src, "main.txt")); err != nil {
		t.Fatal(err)
	}
	s.says("no Go files in")
	s.quiet() // now the list of its inputs is complete
	s.save("cmd/srv/main.go", server(`later "devsite/soon"`, "later.Text() + \"!\""))
	s.serves("moved!")
	if n := s.count("saved unused"); n != 0 {
		t.Errorf("a package that the program does not import was built %d times", n)
	}
}

// TestDevFirst: relevo waits for a program that does not build or does not start. The socket is
// open, and clients that have connected are served later.
func TestDevFirst(t *testing.T) {
	t.Parallel()
	s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": "package main\n\nfunc main() { undefined() }\n"})
	s.dev()
	s.says("nothing serves yet; clients wait")
	s.warns("undefined")
	if state := s.status().State; state != "waiting" {
		t.Error(state)
	}
	answer := make(chan string)
	go func() { answer <- s.get() }()
	if code, said := s.relevo("reload", "site"); code != control.ExitBusy {
		t.Errorf("reload: exit code %d: %s", code, said)
	}
	s.save("main.go", goServer("never", `fmt.Println("cannot begin"); os.Exit(3)`))
	s.says("cannot begin")
	s.says("the new worker did not start")
	s.warns("did not start")
	if code, said := s.relevo("status", "site"); code != 0 || !strings.Contains(said, "did not start") {
		t.Errorf("exit code %d: %s", code, said)
	}
	s.save("main.go", goServer("at last", ""))
	if got := <-answer; got != "at last" {
		t.Errorf("a client that had waited got %q", got)
	}
	s.await("no warning", func() bool {
		status := s.status()
		return len(status.Warnings) == 0 && status.State == "running"
	})
	if code, said := s.relevo("stop", "site"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	<-s.ended
}

// TestDevSaveDuringStart: a save while the first workers start is served after the start.
func TestDevSaveDuringStart(t *testing.T) {
	takesLong(t)
	t.Parallel()
	slow := func(text string) string {
		return strings.Replace(goServer(text, `fmt.Println("warming up"); time.Sleep(3 * time.Second)`), "import (",
			"import (\n\"time\"", 1)
	}
	s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": slow("one")})
	s.dev()
	s.says("warming up")
	s.save("main.go", goServer("two", ""))
	s.serves("two")
	if n := s.count("▸ started"); n != 1 {
		t.Errorf("the first start is reported %d times", n)
	}
}

// TestDevStopsWhileWaiting: relevo dev can be stopped before anything serves.
func TestDevStopsWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*devSite){
		"by a signal":  func(s *devSite) { s.master.Process.Signal(syscall.SIGTERM) },
		"by a command": func(s *devSite) { s.relevo("stop", "site") },
	} {
		s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": "package main\n\nfunc main() { undefined() }\n"})
		s.dev()
		s.says("nothing serves yet")
		stop(s)
		select {
		case <-s.ended:
		case <-afterTooLong():
			t.Fatalf("%s: relevo dev does not end", name)
		}
		if code := s.master.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

// TestDevSwitch: a branch switch of 2,000 files is one build and one roll.
func TestDevSwitch(t *testing.T) {
	takesLong(t)
	testreq.Program(t, "git")
	t.Parallel()
	s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": goServer("one", "")})
	write := func(n string) {
		for i := range 2000 {
			path := filepath.Join(s.src, "files", fmt.Sprintf("f%04d.go", i))
			os.MkdirAll(filepath.Dir(path), 0o755)
			if err := os.WriteFile(path, []byte(fmt.Sprintf("package files\n\nconst F%d = %q\n", i, n)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	server := func(n string) string {
		return strings.Replace(strings.Replace(goServer("TEXT", ""), `"TEXT"`, "files.F7", 1), "import (",
			"import (\n\"devsite/files\"", 1)
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.email=t@example.org", "-c", "user.name=t", "-c", "gc.auto=0"},
			args...)...)
		cmd.Dir = s.src
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write("one")
	s.save("main.go", server("one"))
	git("init", "-q", "-b", "one")
	git("add", "-A")
	git("commit", "-qm", "one")
	git("switch", "-qc", "two")
	write("two")
	git("commit", "-qam", "two")
	s.dev("--debounce", "4s") // longer than any delay of git between two files
	s.serves("two")
	for i, branch := range []string{"one", "two", "one"} {
		git("switch", "-q", branch)
		s.serves(branch)
		s.quiet()
		if n := s.count("saved files/f0000.go and 1999 more"); n != i+1 {
			t.Errorf("%d cycles of 2000 files after %d switches", n, i+1)
		}
		if g := s.status().Generation; g != i+2 {
			t.Errorf("generation %d after %d switches", g, i+1)
		}
	}
}

// TestDevBurst: of 50 saves within two seconds the last one is served, after one or two rolls.
func TestDevBurst(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": goServer("0", "")})
	// Longer than any delay of this program between two saves.
	s.dev("--debounce", "4s")
	s.serves("0")
	before := s.status().Generation
	for i := range 50 {
		s.save("main.go", goServer(fmt.Sprint(i+1), ""))
		time.Sleep(40 * time.Millisecond)
	}
	s.serves("50")
	s.quiet()
	if rolls := s.status().Generation - before; rolls < 1 || rolls > 2 {
		t.Errorf("%d rolls", rolls)
	}
	if got := s.get(); got != "50" {
		t.Errorf("%s is served in the end", got)
	}
}

// TestDevHelp: the help names the defaults of development.
func TestDevHelp(t *testing.T) {
	t.Parallel()
	s := newDevSite(t, nil)
	_, help := s.relevo("dev", "--help")
	for _, want := range []string{
		`--workers .* \(default 1\)`, `--drain-timeout .* \(default 2s\)`, `--canary .* \(default 0s\)`,
		`--stop-grace .* \(default 1s\)`,
		`--listen .* \(default 127\.0\.0\.1:8080\)`, `--debounce .* \(default 50ms\)`,
	} {
		if !regexp.MustCompile(want).MatchString(help) {
			t.Errorf("%s is not in the help:\n%s", want, help)
		}
	}
}

// TestDevUsage: relevo says what it cannot run, and what to type instead.
func TestDevUsage(t *testing.T) {
	t.Parallel()
	s := newDevSite(t, map[string]string{"go.mod": devModule, "lib/lib.go": "package lib\n", "empty/x": ""})
	for _, c := range []struct {
		args []string
		says string
		code int
	}{
		{[]string{"./lib"}, "cannot run ./lib: it is package lib", 1},
		{[]string{"./none"}, "cannot", 1},
		{[]string{"./a", "./b"}, "name one package", 2},
		{[]string{"--build", "make", "."}, "by the go command and by \"make\"", 2},
		{[]string{"--watch", "[a", "--", "true"}, "a bracket or brace is not closed", 2},
		{[]string{"--debounce", "50", "--", "true"}, "the unit is missing", 2},
		{[]string{"--delve", "--", "true"}, "cannot use --delve", 2},
	} {
		cmd := exec.Command(s.program, append([]string{"dev", "-l", "127.0.0.1:0"}, c.args...)...)
		cmd.Dir, cmd.Env = s.src, append(s.env, "PWD="+s.src)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%v: %v, want exit code %d\n%s", c.args, err, c.code, out)
		}
	}
}
