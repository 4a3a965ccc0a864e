package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/lazyregexp"
	"relevo/internal/testreq"
	"relevo/pool"
	"relevo/pool/machine"
)

// TestShownSessions plays the `console` blocks of each page in their order, in one directory, and
// compares what the commands print with what the page shows. Blocks `toml NAME`, or in another
// language, are files that the reader saves in between. Numbers, times and hashes may differ.
func TestShownSessions(t *testing.T) {
	t.Parallel()
	builds := buildShownApps(t)
	played := 0
	for _, page := range userPages(t) {
		blocks, _ := fenced(read(t, page))
		if !hasSession(blocks) {
			continue
		}
		played++
		t.Run(page, func(t *testing.T) {
			takesLongUnless(t, page == "README.md" || page == "docs/getting-started.md")
			t.Parallel()
			for _, program := range sessionPrograms[page] {
				testreq.Program(t, program)
			}
			s := newSession(t, builds)
			for _, b := range blocks {
				if _, name, isFile := strings.Cut(b.info, " "); isFile {
					s.save(name, strings.Join(b.lines, "\n")+"\n")
				} else if b.info == "console" {
					s.play(b)
				}
			}
		})
	}
	if played < 4 {
		t.Errorf("only %d pages show a session", played)
	}
}

// sessionPrograms are the programs that the commands of a page run, beside relevo.
var sessionPrograms = map[string][]string{
	"docs/from-gunicorn.md": {"python3", "gunicorn"}, "docs/from-air.md": {"go"},
}

func hasSession(blocks []block) bool {
	for _, b := range blocks {
		if b.info == "console" {
			return true
		}
	}
	return false
}

// buildShownApps builds the app of the sessions, and writes a second release with other bytes.
func buildShownApps(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	app := filepath.Join(dir, "app")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", app, "./examples/go-sdk")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(app)
	if err == nil {
		err = writePieces(app+".next", program, []byte("\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// session is a reader who types what a page shows.
type session struct {
	*site
	address string // of the app
	leaves  bool   // it has started background apps, which end with the test
}

func newSession(t *testing.T, builds string) *session {
	t.Helper()
	s := &session{site: emptySite(t)}
	for _, name := range []string{"app", "app.next"} {
		if err := copyFile(filepath.Join(builds, name), filepath.Join(s.dir, name+".new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(s.dir, name+".new"), filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

var (
	anyPort    = lazyregexp.New(`([ ="])(:80\d\d)\b`)
	build      = lazyregexp.New(`^(CGO_ENABLED=0 go build -o relevo \.|go build -o app \./examples/go-sdk)$`)
	starts     = lazyregexp.New(`^\./relevo (run|serve)\b`)
	background = lazyregexp.New(`^\./relevo start\b`)
	reads      = lazyregexp.New(`^(curl|\./relevo (status|list|releases)\b)`)
)

func onFreePort(text string) string { return anyPort.ReplaceAllString(text, "${1}127.0.0.1:0") }

func (s *session) save(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(onFreePort(text)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// play types the commands of a block, which begin with a dollar sign.
func (s *session) play(b block) {
	s.t.Helper()
	for i := 0; i < len(b.lines); {
		command, isCommand := strings.CutPrefix(b.lines[i], "$ ")
		if !isCommand {
			s.t.Fatalf("a console block begins with %q: commands begin with a dollar sign", b.lines[i])
		}
		end := i + 1
		for end < len(b.lines) && !strings.HasPrefix(b.lines[end], "$ ") {
			end++
		}
		s.enter(command, strings.Join(b.lines[i+1:end], "\n"))
		i = end
	}
}

// enter types one command and compares its output with what the page shows, if it shows anything.
func (s *session) enter(command, shown string) {
	s.t.Helper()
	switch {
	case build.MatchString(command): // already built
	case starts.MatchString(command):
		s.startMaster(command)
	case background.MatchString(command) && !s.leaves:
		s.leaves = true
		s.t.Cleanup(func() { s.shell("./relevo stop all --force") })
		s.enter(command, shown)
	default:
		var said string
		s.t.Cleanup(func() {
			if s.t.Failed() {
				s.t.Logf("%s printed\n%s", command, said)
			}
		})
		s.await("the output shown for "+command, func() bool {
			code := 0
			code, said = s.shell(command)
			if shown == "" || looksLike(s.plain(said), s.plain(shown)) {
				return true
			}
			if !reads.MatchString(command) && code != control.ExitBusy {
				s.t.Fatalf("%s prints\n%s\nand the page shows\n%s", command, said, shown)
			}
			return false
		})
	}
}

// startMaster runs the command in the background and waits until it serves.
func (s *session) startMaster(command string) {
	s.t.Helper()
	s.master = s.sh("exec " + onFreePort(command))
	s.master.Stdout, s.master.Stderr = s.log, s.log
	s.begin()
	s.await("the pool to serve", func() bool {
		sockets, _ := filepath.Glob(filepath.Join(s.dir, "run", "*.sock"))
		for _, socket := range sockets {
			client, err := control.Connect(context.Background(), socket)
			if err != nil {
				continue
			}
			status, err := client.Status(context.Background())
			if err == nil && atRest(status) && len(status.Listeners) > 0 {
				s.client, s.address = client, status.Listeners[0].Address
				return true
			}
		}
		return false
	})
}

// atRest says whether all workers serve and no roll is in progress.
func atRest(status control.Status) bool {
	moving := slices.ContainsFunc(status.Workers, func(w pool.Worker) bool { return w.State != string(machine.Serving) })
	return status.State == "running" && !moving && len(status.Workers) == status.Slots
}

func (s *session) sh(command string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Dir, cmd.Env = s.dir, append(s.env, "PWD="+s.dir)
	return cmd
}

// shell runs a command to its end. After an automatic roll has begun, it first waits for the end of
// that roll, as a reader would.
func (s *session) shell(command string) (code int, said string) {
	s.t.Helper()
	if s.client != nil && !strings.HasSuffix(command, "promote") && !strings.HasSuffix(command, "abort") {
		s.await("the pool to be at rest", func() bool {
			status, err := s.client.Status(context.Background())
			return err != nil || atRest(status)
		})
	}
	cmd := s.sh(strings.ReplaceAll(command, "localhost:8080", s.address))
	if strings.HasPrefix(command, "curl ") {
		cmd = s.sh(strings.Replace(cmd.Args[2], "curl", "curl -sS", 1))
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// varying matches what differs between runs, each with the word that replaces it.
var varying = []struct {
	text *lazyregexp.Regexp
	word string
}{
	{lazyregexp.New(`(\[::\]|127\.0\.0\.1):\d+| :80\d\d\b`), " ADDRESS"},
	{lazyregexp.New(`\b[0-9a-f]{12}\b`), "HASH"},
	{lazyregexp.New(`ready: observed`), ""}, // its READY=1 came a moment later
	{lazyregexp.New(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
	{lazyregexp.New(`\brelevo (devel\S*|v\d\S*|unknown)`), "relevo VERSION"},
	{lazyregexp.New(`\b(\d+(\.\d+)?(ms|µs|m|s|h))+\b`), "DURATION"},
	{lazyregexp.New(`\d+(\.\d+)?`), "N"},
	{lazyregexp.New(`\s+`), " "},
}

var exitCodes = lazyregexp.New(`exit code \d+`)

// plain is the text without what varies.
func (s *session) plain(text string) string {
	text = strings.ReplaceAll(text, s.dir+"/", "")
	text = exitCodes.ReplaceAllStringFunc(text, func(code string) string {
		return strings.Map(func(r rune) rune { // without a number: it does not vary
			if r >= '0' && r <= '9' {
				return r - '0' + 'A'
			}
			return r
		}, code)
	})
	for _, v := range varying {
		text = v.text.ReplaceAllString(text, v.word)
	}
	return strings.TrimSpace(text)
}

// looksLike compares a text with a pattern in which … stands for anything.
func looksLike(text, shown string) bool {
	parts := strings.Split(shown, "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$").MatchString(text)
}
