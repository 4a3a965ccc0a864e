package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"relevo/internal/control"
	"relevo/internal/testreq"
	"relevo/pool"
)

// replacement is a way to put a new executable in place, or to touch the old one.
type replacement struct {
	name  string
	do    string // a shell command: $app is the executable, $new has other bytes, $dir is where both are
	rolls int
	fails bool // the command fails, because the kernel refuses it
}

// plainReplacements replace a file at its own path, while it runs.
var plainReplacements = []replacement{
	{name: "go build -o", do: `go build -o "$app" -ldflags "-X main.release=1" ./examples/go-sdk`, rolls: 1},
	{name: "go build -o, nothing changed", do: `go build -o "$app" -ldflags "-X main.release=1" ./examples/go-sdk`},
	{name: "go build -o, temporary directory elsewhere",
		do: `TMPDIR=/dev/shm go build -o "$app" -ldflags "-X main.release=$n" ./examples/go-sdk`, rolls: 1},
	{name: "cp over the running program (ETXTBSY)", do: `cp "$new" "$app"`, fails: true},
	{name: "cp --remove-destination", do: `cp --remove-destination "$new" "$app"`, rolls: 1},
	{name: "cp to a temporary name, mv", do: `cp "$new" "$app.tmp" && mv "$app.tmp" "$app"`, rolls: 1},
	{name: "install", do: `install "$new" "$app"`, rolls: 1},
	{name: "mv on the same file system", do: `mv "$new" "$app"`, rolls: 1},
	{name: "mv from another file system", do: `cp "$new" /dev/shm/relevo.$$ && mv /dev/shm/relevo.$$ "$app"`, rolls: 1},
	{name: "rsync", do: `rsync "$new" "$app"`, rolls: 1},
	{name: "tar x", do: `tar -C "$dir/stage" -cf "$dir/t.tar" app && tar -C "$dir/bin" -xf "$dir/t.tar"`, rolls: 1},
	{name: "touch", do: `touch "$app"`},
	{name: "chmod to another mode and back", do: `chmod 700 "$app" && chmod 755 "$app"`},
	{name: "removed, back after 300 ms with other bytes", do: `rm "$app"; sleep 0.3; cp "$new" "$app"`, rolls: 1},
	{name: "removed, back with the same bytes", do: `cp "$app" "$app.old"; rm "$app"; sleep 0.3; mv "$app.old" "$app"`},
	{name: "another file beside it", do: `cp "$new" "$dir/bin/other"`},
	{name: "slow write with pauses beyond the quiet time",
		do: `rm "$app"; exec 3>"$app"; chmod 755 "$app"; head -c 100000 "$new" >&3; sleep 0.4; tail -c +100001 "$new" | ` +
			`head -c 3000000 >&3; sleep 0.6; tail -c +3100001 "$new" >&3; exec 3>&-`, rolls: 1},
	{name: "its directory moved away, another put in its place",
		do: `cp -a "$dir/bin" "$dir/bin2" && cp --remove-destination "$new" "$dir/bin2/app" && mv "$dir/bin" ` +
			`"$dir/bin.old" && mv "$dir/bin2" "$dir/bin"`, rolls: 1},
}

// busyReplacements write into the file. The kernel allows that, because the workers run a copy.
var busyReplacements = []replacement{
	{name: "cp over it (exec_from = snapshot)", do: `cp "$new" "$app"`, rolls: 1},
	{name: "rsync --inplace (exec_from = snapshot)", do: `rsync --inplace "$new" "$app"`, rolls: 1},
	{name: "cat > (exec_from = snapshot)", do: `cat "$new" > "$app"`, rolls: 1},
	{name: "slow write in place (exec_from = snapshot)",
		do: `exec 3>"$app"; head -c 100000 "$new" >&3; sleep 0.5; tail -c +100001 "$new" >&3; exec 3>&-`, rolls: 1},
	{name: "strip (exec_from = snapshot)", do: `strip "$app"`, rolls: 1},
}

// linkReplacements change a path with symbolic links in it.
var linkReplacements = []replacement{
	{name: "ln -sfn r2 current", do: `mkdir "$dir/r2" && mv "$new" "$dir/r2/app" && ln -sfn r2 "$dir/current"`, rolls: 1},
	{name: "ln -s, mv -T", do: `mkdir "$dir/r3" && mv "$new" "$dir/r3/app" && ln -s r3 "$dir/next" && mv -T ` +
		`"$dir/next" "$dir/current"`, rolls: 1},
	{name: "ln -sfn to the same bytes", do: `cp -a "$dir/r3" "$dir/r4" && ln -sfn r4 "$dir/current"`},
	{name: "the link's target replaced", do: `cp --remove-destination "$new" "$dir/r4/app"`, rolls: 1},
}

// mapReplacement is the atomic update of a Kubernetes ConfigMap volume.
var mapReplacements = []replacement{
	{name: "ConfigMap: ..data switched", do: `mkdir "$dir/..2" && mv "$new" "$dir/..2/app" && ln -s ..2 ` +
		`"$dir/..data_tmp" && mv -T "$dir/..data_tmp" "$dir/..data" && rm -r "$dir/..1"`, rolls: 1},
}

// TestBinaryWatch replaces the executable of a running service in every known way and counts the
// rolls. It logs the times and does not check them.
func TestBinaryWatch(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, program := range []string{"rsync", "strip", "tar", "install"} {
		testreq.Program(t, program)
	}
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "scenario\trolls\tend of the write to the first new worker")
	for _, layout := range []struct {
		command, prepare string
		flags            []string
		replacements     []replacement
	}{
		{"bin/app", `mkdir "$dir/bin" && mv "$dir/app" "$dir/bin/app"`, nil, plainReplacements},
		{"bin/app", `mkdir "$dir/bin" && mv "$dir/app" "$dir/bin/app"`, []string{"--exec-from", "snapshot"},
			busyReplacements},
		{"current/app", `mkdir "$dir/r1" && mv "$dir/app" "$dir/r1/app" && ln -s r1 "$dir/current"`, nil, linkReplacements},
		{"app", `mkdir "$dir/..1" && mv "$dir/app" "$dir/..1/app" && ln -s ..1 "$dir/..data" && ln -s ..data/app "$dir/app"`,
			nil, mapReplacements},
	} {
		s := emptySite(t)
		s.shell(replacement{do: layout.prepare}, 1)
		flags := append([]string{"run", "--name", "site", "-l", "127.0.0.1:0", "-n", "1", "--canary", "0"}, layout.flags...)
		s.start(append(flags, "--", "./"+layout.command)...)
		s.settled(1)
		s.app = filepath.Join(s.dir, layout.command)
		for n, r := range layout.replacements {
			t.Run(r.name, func(t *testing.T) {
				s.t = t
				rolls, took := s.replace(r, n+2)
				if rolls != r.rolls {
					t.Errorf("%d rolls, want %d", rolls, r.rolls)
				}
				fmt.Fprintf(rows, "%s\t%d\t%s\n", r.name, rolls, took)
			})
		}
		s.t = t
		s.stop()
	}
	rows.Flush()
	t.Logf("rolls of the watch:\n%s", &table)
}

// still is how long nothing may happen before a replacement counts as done. It is much longer than
// the quiet time of the watch.
const still = time.Second

// replace runs the command. It returns the number of rolls, and the time from the end of the command
// to the first new worker.
func (s *site) replace(r replacement, n int) (rolls int, took string) {
	s.t.Helper()
	stage := filepath.Join(s.dir, "stage")
	if err := os.MkdirAll(stage, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := writeRelease(filepath.Join(stage, "app"), fmt.Sprint(n), "serve"); err != nil {
		s.t.Fatal(err)
	}
	events := s.events()
	defer events.Close()
	before := s.status().Generation
	s.shell(r, n)
	end := time.Now()
	if r.rolls > 0 {
		s.await("a roll", func() bool {
			status := s.status()
			return status.Generation > before && status.State == "running"
		})
	}
	forked := time.Time{}
	for quiet := time.After(still); ; {
		select {
		case e := <-events.C:
			switch {
			case e.Kind == pool.KindRoll && e.Step == pool.StepBegan:
				rolls++
				quiet = time.After(still)
			case e.Kind == pool.KindFork && forked.IsZero():
				forked = e.Time
			}
		case <-quiet:
			if forked.IsZero() {
				return rolls, "-"
			}
			return rolls, forked.Sub(end).Round(time.Millisecond).String()
		}
	}
}

// shell runs the command of a replacement in this repository.
func (s *site) shell(r replacement, n int) {
	s.t.Helper()
	cmd := exec.Command("bash", "-euc", r.do)
	cmd.Env = append(os.Environ(), "dir="+s.dir, "app="+s.app, "new="+filepath.Join(s.dir, "stage", "app"),
		fmt.Sprint("n=", n))
	out, err := cmd.CombinedOutput()
	if (err != nil) != r.fails {
		s.t.Fatalf("%s: %v: %s", r.do, err, out)
	}
}

// eventFeed is the live events of a site.
type eventFeed struct {
	C      chan pool.Event
	stream *control.EventStream
}

func (s *site) events() *eventFeed {
	s.t.Helper()
	stream, err := s.client.Events(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	feed := &eventFeed{C: make(chan pool.Event, 1024), stream: stream}
	go func() {
		for {
			e, _, err := stream.Next()
			if err != nil {
				return
			}
			feed.C <- e
		}
	}()
	return feed
}

// Close ends the feed. It must not be called while a reader waits.
func (f *eventFeed) Close() { f.stream.Close() }
