package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"relevo/internal/testreq"
)

// floods prints numbered lines until a file tells it to stop, and then the number of lines.
const floods = `i=0
while [ ! -e enough ]; do
	seq -f "line %.0f of $RELEVO_SLOT" $i $((i+9999))
	i=$((i+10000))
done
echo "last $i of $RELEVO_SLOT"
exec sleep 1000`

// checkFlood checks the lines of four workers: each worker's lines must be in order. It returns how
// many are missing.
func checkFlood(t *testing.T, in *bufio.Scanner, at func(seen int)) (seen, missing int, next [4]int) {
	t.Helper()
	for ended := 0; ended < len(next); seen++ {
		if !in.Scan() {
			t.Fatalf("the lines end after %v: %v", next, in.Err())
		}
		slot := int(in.Text()[5]-'0') % len(next)
		what, n := "line", next[slot]
		if in.Text() != fmt.Sprintf("site/%d │ line %d of %d", slot, n, slot) {
			what, n = later(t, in.Text(), slot, next[slot])
		}
		missing += n - next[slot]
		next[slot] = n + 1
		if what == "last" {
			ended++
		}
		at(seen)
	}
	return seen, missing, next
}

// later reads a line that is not the worker's next one: a line with a higher number, or the last
// one.
func later(t *testing.T, text string, slot, next int) (what string, n int) {
	t.Helper()
	_, err := fmt.Sscanf(text, fmt.Sprintf("site/%d │ %%s %%d of %d", slot, slot), &what, &n)
	if err != nil || n < next || text != fmt.Sprintf("site/%d │ %s %d of %d", slot, what, n, slot) {
		t.Fatalf("got %q after line %d", text, next-1)
	}
	return what, n
}

// toldLosses returns how many lines the master's log reports as lost.
func toldLosses(t *testing.T, log string) (lines int) {
	t.Helper()
	for _, found := range regexp.MustCompile(`lost="(\d+) lines?"`).FindAllStringSubmatch(log, -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Error(err)
		}
		lines += n
	}
	return lines
}

// TestLogFlood: four workers print millions of lines, and five new masters take over one after the
// other. Meanwhile the files rotate and are compressed. No line is torn, lost or out of order.
func TestLogFlood(t *testing.T) {
	takesLong(t)
	t.Parallel()
	t.Run("tableflip", func(t *testing.T) { logFlood(t, "tableflip", 10_000_000) })
	t.Run("exec", func(t *testing.T) { logFlood(t, "exec", 2_000_000) })
}

func logFlood(t *testing.T, how string, total int) {
	const upgrades = 5
	s := emptySite(t)
	s.start("run", "--name", "site", "-n", "4", "--ready", "delay=10ms", "--upgrade", how, "--output", "files",
		"--log-max-size", fmt.Sprint(total*66/3), "--log-keep", "1000", "--", "sh", "-c", floods)
	shown := exec.Command(s.program, "logs", "site", "-f", "--out", "--since", "1h")
	shown.Env, shown.Dir, shown.Stderr = s.env, s.dir, os.Stderr
	lines, err := shown.StdoutPipe()
	if err == nil {
		err = shown.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { shown.Process.Kill(); shown.Wait() }()
	due := make(chan struct{}, upgrades)
	var done atomic.Int32
	go func() {
		for range due {
			s.relevo("upgrade", "site")
			done.Add(1)
		}
	}()
	defer close(due)
	asked := 0
	memory, enough := &masterMemory{s: s}, false
	seen, missing, next := checkFlood(t, bufio.NewScanner(lines), func(seen int) {
		if seen%(total/100) == 0 {
			memory.look()
		}
		if asked < upgrades && seen > total*(asked+1)/(upgrades+2) {
			asked++
			due <- struct{}{}
		}
		if seen >= total && !enough && int(done.Load()) == upgrades {
			enough = true
			if err := os.WriteFile(filepath.Join(s.dir, "enough"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	files, _ := filepath.Glob(filepath.Join(s.dir, "state", "site", "log", "0*"))
	if seen < total || len(files) < 3 {
		t.Fatalf("%d lines were shown, from the files %q", seen, files)
	}
	if !await(func() bool { return strings.Count(s.log.String(), "continues with 4 workers") == upgrades }) {
		t.Errorf("the master was not replaced %d times", upgrades)
	}
	if told := toldLosses(t, s.log.String()); missing > 0 || told > 0 {
		t.Errorf("%d lines were lost, and %d are reported", missing, told)
	}
	memory.check()
	t.Logf("%d lines in %d files, %v", seen, len(files), next)
}

// masterMemory is the memory of an app's masters, one after the other.
type masterMemory struct {
	s    *site
	pids []int
	own  [][]int // KiB without pages of files, of each master at each look
}

// look notes the memory of the present master. The test binary is the master's program, so its pages
// of files say nothing about relevo's.
func (m *masterMemory) look() {
	status, err := m.s.client.Status(m.s.t.Context())
	if err != nil {
		return // a succession is in progress
	}
	kib, err := procKiB(status.PID, "RssAnon")
	if err != nil {
		return
	}
	if len(m.pids) == 0 || m.pids[len(m.pids)-1] != status.PID {
		m.pids, m.own = append(m.pids, status.PID), append(m.own, nil)
	}
	last := len(m.own) - 1
	m.own[last] = append(m.own[last], kib)
}

// A master may have 25 MB: ownKiB, and the pages of its program, which go run ./bench -only logs
// prints. With longFlood looks, the second half of the looks may show at most driftKiB more than the
// first.
const (
	ownKiB    = 14_000_000 >> 10
	driftKiB  = 2 << 10
	longFlood = 40
)

func (m *masterMemory) check() {
	m.s.t.Helper()
	for i, own := range m.own {
		m.s.t.Logf("master %d: %d … %d KiB in %d looks", m.pids[i], slices.Min(own), slices.Max(own), len(own))
		first, second := own[:len(own)/2], own[len(own)/2:]
		switch {
		case raceDetector: // the race detector itself takes much memory
		case slices.Max(own) > ownKiB:
			m.s.t.Errorf("master %d has had %d KiB of its own, want at most %d", m.pids[i], slices.Max(own), ownKiB)
		case len(own) >= longFlood && slices.Max(second) > slices.Max(first)+driftKiB:
			m.s.t.Errorf("the memory of master %d grows: %d KiB, and later %d", m.pids[i], slices.Max(first), slices.Max(second))
		}
	}
}

// TestLogOfFastWorker: a worker prints as fast as it can. All lost lines are reported, and the
// master stays small.
func TestLogOfFastWorker(t *testing.T) {
	t.Parallel()
	lines := 250_000
	if testreq.Long() {
		lines = 5_000_000
	}
	s := emptySite(t)
	const prints = `begin=$(date +%s%N); yes "$(printf '%099d' 0)" | head -n "$1"
		echo "took $(( ($(date +%s%N) - begin) / 1000000 )) ms"; exec sleep 1000`
	s.start("run", "--name", "site", "-n", "1", "--ready", "delay=1ms", "--output", "files",
		"--log-max-size", fmt.Sprint(min(lines*32, 32<<20)), "--log-keep", "1000",
		"--", "sh", "-c", prints, "sh", fmt.Sprint(lines))
	shown := exec.Command(s.program, "logs", "site", "-f", "--out", "--since", "1h")
	shown.Env, shown.Dir, shown.Stderr = s.env, s.dir, os.Stderr
	out, err := shown.StdoutPipe()
	if err == nil {
		err = shown.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { shown.Process.Kill(); shown.Wait() }()
	memory, in, seen := &masterMemory{s: s}, bufio.NewScanner(out), 0
	for ; in.Scan() && strings.HasSuffix(in.Text(), "000"); seen++ {
		if seen%(lines/100) == 0 {
			memory.look()
		}
	}
	if seen != lines || strings.Contains(s.log.String(), "lost=") {
		t.Errorf("%d of %d lines, then %q", seen, lines, in.Text())
	}
	memory.check()
	t.Logf("%d lines of 100 bytes, %s", seen, in.Text())
}
