package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/internal/lazyregexp"
	"relevo/internal/prove"
	"relevo/internal/testbuffer"
)

// site is a relevo that runs as for a user, with releases of the app.
type site struct {
	t       *testing.T
	dir     string
	env     []string
	program string // relevo
	app     string // the path of the release
	log     *lockedBuffer
	master  *exec.Cmd
	ended   chan struct{}
	client  *control.Client
}

// newSite starts `relevo run FLAGS -- ./app` with release 1 and waits until it serves.
func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	s := emptySite(t)
	flags = append([]string{"run", "--name", "site", "-l", "127.0.0.1:0"}, flags...)
	s.start(append(flags, "--", "./app")...)
	return s
}

// newSiteFrom starts `relevo run` with a relevo.toml.
func newSiteFrom(t *testing.T, configuration string) *site {
	t.Helper()
	s := emptySite(t)
	s.configure(configuration)
	s.start("run")
	return s
}

// configure writes relevo.toml.
func (s *site) configure(configuration string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "relevo.toml"), []byte(configuration), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// emptySite makes a directory with release 1, in which nothing runs yet.
func emptySite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "site") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, app: filepath.Join(dir, "app"), program: filepath.Join(dir, "relevo"), log: &lockedBuffer{}}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Not a symbolic link: the program starts itself again by its own path.
	if os.Link(self, s.program) != nil {
		if err := copyFile(self, s.program); err != nil {
			t.Fatal(err)
		}
	}
	// Under the race detector a process sleeps for a second before it exits.
	s.env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "PATH="+pathWithoutUs(),
		"RELEVO_RUNTIME_DIR="+filepath.Join(dir, "run"), "RELEVO_STATE_DIR="+filepath.Join(dir, "state"))
	s.release("1", "serve")
	return s
}

// pathWithoutUs leaves out the directory where testscript keeps another relevo, which this relevo
// would take for itself.
func pathWithoutUs() string {
	places := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "relevo"))
		return err == nil
	})
	return strings.Join(places, string(filepath.ListSeparator))
}

// start starts the master and waits until it serves.
func (s *site) start(args ...string) {
	s.t.Helper()
	s.run(args...)
	s.serves()
}

// serves waits until the master answers and its pool serves.
func (s *site) serves() {
	s.t.Helper()
	s.await("the pool to serve", func() bool {
		client, err := control.Connect(context.Background(), filepath.Join(s.dir, "run", "site.sock"))
		if err != nil {
			return false
		}
		s.client = client
		status, err := client.Status(context.Background())
		return err == nil && status.State == "running"
	})
}

// run starts the master.
func (s *site) run(args ...string) {
	s.t.Helper()
	s.master = s.command(args...)
	s.begin()
}

// command is relevo with its output going to the log.
func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, s.env, s.log, s.log
	return cmd
}

// begin starts the master, which ends with the test.
func (s *site) begin() {
	s.t.Helper()
	if err := s.master.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended, master := make(chan struct{}), s.master // another master may follow
	go func() {
		defer close(ended)
		master.Wait()
	}()
	s.ended = ended
	s.t.Cleanup(func() { s.end(ended) })
}

func (s *site) end(ended <-chan struct{}) {
	if s.client != nil { // otherwise it never answered
		if _, err := s.client.Status(context.Background()); err == nil {
			s.client.Stop(context.Background(), true) // the master may be another process by now
		}
	}
	s.master.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-afterTooLong():
		s.master.Process.Kill()
		s.t.Error("the master did not end")
	}
	if s.t.Failed() {
		s.t.Logf("the output of relevo and its workers:\n%s", s.log)
	}
}

// stop ends the master in an orderly way.
func (s *site) stop() {
	s.t.Helper()
	if code, out := s.relevo("stop", "site"); code != 0 {
		s.t.Fatalf("stop: exit code %d: %s", code, out)
	}
	<-s.ended
}

// relevo runs a command to its end and returns its exit code and its output.
func (s *site) relevo(args ...string) (code int, said string) {
	s.t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeProgram(to, data)
}

// writeProgram writes a file that can be run at once: a process that is forked while the test itself
// writes it would keep it open for writing.
func writeProgram(path string, text []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, text, 0o755)
}

// release puts a release of app in place, by rename.
func (s *site) release(version, behaviour string) {
	s.t.Helper()
	if err := writeRelease(s.app, version, behaviour); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) status() control.Status {
	s.t.Helper()
	status, err := s.client.Status(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

// settled waits until n workers serve and none starts or leaves, and returns their
// pids.
func (s *site) settled(n int) (pids []int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d workers to serve", n), func() bool {
		pids = nil
		status := s.status()
		for _, w := range status.Workers {
			if w.State != "serving" {
				return false
			}
			pids = append(pids, w.PID)
		}
		return status.State == "running" && len(pids) == n
	})
	slices.Sort(pids)
	return pids
}

func (s *site) await(what string, holds func() bool) {
	s.t.Helper()
	if !await(holds) {
		s.t.Fatalf("waited in vain for %s", what)
	}
}

// load starts a load on fresh and on kept connections. The function that it returns ends the load.
func (s *site) load() (end func() prove.Report) {
	load := startLoad(s.status().Listeners[0].Address)
	return sync.OnceValue(func() prove.Report {
		load.cancel()
		r := <-load.result
		if r.err != nil {
			s.t.Error(r.err)
		}
		return r.report
	})
}

// heldByDead adds up the connections that workers reported as open when they died
// (test/app/main.go). For each death, one more connection may have been accepted and not counted
// yet.
func (s *site) heldByDead() (held, deaths int) {
	for _, found := range diesWith.FindAllStringSubmatch(s.log.String(), -1) {
		n, _ := strconv.Atoi(found[1])
		held += n
		deaths++
	}
	return held, deaths
}

var diesWith = lazyregexp.New(`app dies with (\d+) connections`)

// pause is how long an action may run before the test interrupts it: any length will do.
func pause(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	<-ctx.Done()
}

// lockedBuffer takes what several processes write.
type lockedBuffer struct{ testbuffer.Buffer }

func (b *lockedBuffer) String() string { return strings.ToValidUTF8(b.Buffer.String(), "·") }
