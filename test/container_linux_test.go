package test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
	"relevo/pool"
)

// image is the result of a Containerfile.
type image struct {
	files                        map[string]string
	uid                          int
	healthcheck, entrypoint, cmd []string
}

// buildImage follows a Containerfile, but takes the sources from this repository and their
// dependencies from the module cache.
func buildImage(t *testing.T, path string) image {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	i := image{files: map[string]string{}}
	array := func(text string) (args []string) {
		if err := json.Unmarshal([]byte(text), &args); err != nil {
			t.Fatalf("%s: not the exec form: %s", path, text)
		}
		return args
	}
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "RUN":
			if rest != "go mod download" {
				run(t, strings.ReplaceAll(rest, "/out/", out+"/"))
			}
		case "COPY":
			if paths, ok := strings.CutPrefix(rest, "--from=build /out/"); ok {
				from, to, _ := strings.Cut(paths, " ")
				i.files[to] = filepath.Join(out, from)
			}
		case "USER":
			fmt.Sscan(rest, &i.uid)
		case "HEALTHCHECK":
			_, rest, _ = strings.Cut(rest, "CMD ")
			i.healthcheck = array(rest)
		case "ENTRYPOINT":
			i.entrypoint = array(rest)
		case "CMD":
			i.cmd = array(rest)
		}
	}
	return i
}

func run(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// spec is like docker run --read-only, with further arguments for `relevo run`.
func (i image) spec(flags ...string) boxSpec {
	last := len(i.entrypoint) - 1 // --
	args := slices.Concat(i.entrypoint[:last], flags, i.entrypoint[last:], i.cmd)
	return boxSpec{UID: i.uid, Shm: true, Args: args, files: i.files, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin",
		"HOME=/"}}
}

const containerfile = "examples/container/Containerfile"

// buildMisbehaving is the image with the worker of test/testdata/container in it.
func buildMisbehaving(t *testing.T) image {
	t.Helper()
	testreq.Root(t)
	i := buildImage(t, containerfile)
	out := t.TempDir()
	run(t, "CGO_ENABLED=0 go build -o "+out+"/app ./test/testdata/container")
	i.files["/app"] = out + "/app"
	return i
}

// TestContainerfile: the example is built, run and stopped as its comment says.
func TestContainerfile(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Root(t)
	i := buildImage(t, containerfile)
	if i.uid == 0 || len(i.files) != 2 || i.healthcheck == nil || i.cmd == nil {
		t.Fatalf("cannot use the Containerfile: %+v", i)
	}
	b := startBox(t, i.spec("-n", "2"))
	if s := b.serves(2); s.PID != 1 {
		t.Errorf("the master's pid is %d", s.PID)
	}
	if code, out := b.exec(i.healthcheck...); code != 0 {
		t.Errorf("not healthy: %d %s", code, out)
	}
	if code, out := b.exec("/relevo", "prove", "--rolls", "3", "--min-requests", "5000"); code != 0 {
		t.Errorf("rolls lose requests: %d\n%s", code, out)
	}
	want := []string{
		"cannot use /tmp/relevo-12345: sockets go to /dev/shm/relevo-12345",
		"in a container: a stop takes 8s at most, and docker stop kills after 10s",
		"no copy of the executable: its open file is used instead",
		"cannot remember the verdict on a release",
	}
	log := b.log.String()
	for _, text := range want {
		if n := strings.Count(log, text); n != 1 {
			t.Errorf("the log has %d times: %s", n, text)
		}
	}
	// A stream that is still open ends properly.
	response, err := b.client().Get("http://127.0.0.1:8080/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	code, took := b.stop(syscall.SIGTERM)
	if _, err := io.ReadAll(response.Body); code != 0 || err != nil || took > 9*time.Second {
		t.Errorf("the container ended after %s with %d; the accepted request: %v", took, code, err)
	}
}

// TestContainerSignals: as PID 1 the master ends gracefully at the stop signals. All other signals,
// from inside or outside, change nothing.
func TestContainerSignals(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	for _, end := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGQUIT} {
		t.Run(unix.SignalName(end), func(t *testing.T) {
			b := startBox(t, i.spec("-n", "1"))
			before := b.serves(1)
			for sig := unix.Signal(1); sig <= 64; sig++ {
				switch sig {
				case unix.SIGHUP, unix.SIGUSR2, unix.SIGTTIN, unix.SIGTTOU: // have a meaning
				case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
				case unix.SIGKILL, unix.SIGSTOP: // have an effect only from outside
					b.mustGet(fmt.Sprintf("/kill?pid=1&signal=%d", sig))
				default:
					b.cmd.Process.Signal(sig)
					if out := b.mustGet(fmt.Sprintf("/kill?pid=1&signal=%d", sig)); out != "<nil>\n" {
						t.Errorf("signal %d: %s", sig, out)
					}
				}
			}
			if after := b.serves(1); after.Workers[0].PID != before.Workers[0].PID || after.PID != 1 {
				t.Errorf("another worker serves: %+v", after)
			}
			if code, took := b.stop(end); code != 0 || took > 9*time.Second {
				t.Errorf("the container ended after %s with %d", took, code)
			}
			if !strings.Contains(b.log.String(), "stopping: workers finish what they have accepted") {
				t.Error("it was not a graceful stop")
			}
		})
	}
}

// TestContainerEarly: a signal that comes before anything serves is not lost, and the container's
// exit code is 0.
func TestContainerEarly(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	for range 5 {
		b := startBox(t, i.spec("-n", "1"))
		// It prints this before it looks at the program.
		for !strings.Contains(b.log.String(), "sockets go to /dev/shm") && !b.hasEnded() {
			time.Sleep(100 * time.Microsecond)
		}
		b.cmd.Process.Signal(unix.SIGHUP)
		b.cmd.Process.Signal(unix.SIGUSR1)
		if code, took := b.stop(unix.SIGTERM); code != 0 || took > 9*time.Second {
			t.Errorf("the container ended after %s with %d", took, code)
		}
	}
}

// TestContainerOrphans: PID 1 reaps the orphans of its workers, and still learns how its own workers
// ended, even while it reaps thousands.
func TestContainerOrphans(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	b := startBox(t, i.spec("-n", "2", "--env", "GOMAXPROCS=1"))
	b.serves(2)
	workers := 2 // children of PID 1
	b.mustGet("/orphans?n=500&ms=1")
	storm := make(chan error, 1)
	go func() {
		_, err := b.get("/orphans?n=1000&ms=5")
		storm <- err
	}()
	for code := 41; code < 46; code++ {
		b.get(fmt.Sprintf("/exit?code=%d", code)) // not answered
		awaitBox(t, "its death", func() bool { return strings.Contains(b.log.String(), fmt.Sprintf("code=%d", code)) })
		s := b.serves(workers)
		if !slices.ContainsFunc(s.Workers, func(w pool.Worker) bool { return w.LastExit != nil && w.LastExit.Code == code }) {
			t.Fatalf("no worker is reported to have ended with %d: %+v", code, s.Workers)
		}
	}
	// The worker that makes the orphans may be the one that was told to exit.
	<-storm
	awaitBox(t, "the end of the orphans", func() bool { all, _ := b.children(); return all == workers })

	// The parents of living orphans have ended, so the orphans are killed from outside, one by one.
	left := strings.Fields(b.mustGet("/orphans?n=20&ms=600000"))
	awaitBox(t, "orphans", func() bool { all, _ := b.children(); return all == workers+len(left) })
	for _, pid := range left {
		if out := b.mustGet("/kill?signal=9&pid=" + pid); out != "<nil>\n" {
			t.Errorf("orphan %s: %s", pid, out)
		}
	}
	awaitBox(t, "their end", func() bool { all, zombies := b.children(); return all == workers && zombies == 0 })
	if strings.Contains(b.log.String(), "cannot learn how it ended") {
		t.Error("the exit status of a worker was lost")
	}
	if code, _ := b.stop(unix.SIGTERM); code != 0 {
		t.Errorf("the container ended with %d", code)
	}
}

func awaitBox(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !await(holds) {
		t.Fatalf("waited in vain for %s", what)
	}
}

// TestContainerPatience: a request that never ends does not make the runtime kill the container. If
// the configuration asks for more patience, relevo says what the runtime needs for it.
func TestContainerPatience(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	b := startBox(t, i.spec("-n", "1"))
	b.serves(1)
	response, err := b.client().Get("http://127.0.0.1:8080/slow?ms=600000")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	code, took := b.stop(unix.SIGTERM)
	if code != 0 || took > 9500*time.Millisecond || took < 6*time.Second {
		t.Errorf("the container ended after %s with %d", took, code)
	}
	// The worker knows its deadline, and may act before the master.
	if log := b.log.String(); !strings.Contains(log, "drain timeout") &&
		!strings.Contains(log, "drain deadline exceeded") {
		t.Error("the end of the patience is not reported")
	}
	b = startBox(t, i.spec("-n", "1", "--drain-timeout", "20s"))
	b.serves(1)
	want := "a stop may take 21s, but docker stop kills after 10s if it is given no more time: docker stop -t 23"
	if !strings.Contains(b.log.String(), want) {
		t.Errorf("this is not reported: %s", want)
	}
}

// TestContainerPlaces: if no place is writable, relevo says what to do. As root it works even then.
func TestContainerPlaces(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	nowhere := i.spec()
	nowhere.Shm = false
	b := startBox(t, nowhere)
	select {
	case <-b.ended:
	case <-afterTooLong():
		t.Fatal("the container does not end")
	}
	if code, log := b.cmd.ProcessState.ExitCode(), b.log.String(); code != 1 ||
		!strings.Contains(log, "cannot make the runtime directory") ||
		!strings.Contains(log, "RELEVO_RUNTIME_DIR") {
		t.Errorf("the container ended with %d: %s", code, log)
	}
	root := i.spec("-n", "1")
	root.UID = 0
	b = startBox(t, root)
	b.serves(1)
	if code, out := b.exec("/relevo", "reload"); code != 0 {
		t.Errorf("no roll: %d %s", code, out)
	}
	log := b.log.String()
	for _, text := range []string{
		"cannot use /run/relevo: sockets go to /dev/shm/relevo-0", "no copy of the executable", "cannot remember the verdict",
	} {
		if n := strings.Count(log, text); n != 1 {
			t.Errorf("the log has %d times: %s", n, text)
		}
	}
}
