package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/testreq"
)

// floods prints numbered lines until a file says that it is enough, and then how many
// there were.
const floods = `i=0
while [ ! -e enough ]; do
	seq -f "line %.0f of $RELEVO_SLOT" $i $((i+9999))
	i=$((i+10000))
done
echo "last $i of $RELEVO_SLOT"
exec sleep 1000`

// checkFlood wants all lines of four workers, those of each in their order.
func checkFlood(t *testing.T, in *bufio.Scanner, at func(seen int)) (seen int, next [4]int) {
	t.Helper()
	for ended := 0; ended < len(next); seen++ {
		if !in.Scan() {
			t.Fatalf("the lines end after %v: %v", next, in.Err())
		}
		slot := int(in.Text()[5]-'0') % len(next)
		want := fmt.Sprintf("site/%d │ line %d of %d", slot, next[slot], slot)
		switch in.Text() {
		case want:
			next[slot]++
		case strings.Replace(want, "line", "last", 1):
			ended++
		default:
			t.Fatalf("got %q, want %q", in.Text(), want)
		}
		at(seen)
	}
	return seen, next
}

// TestLogFlood: of a million lines of four workers none is lost, torn or out of order, while
// the files rotate, are compressed, and another master takes over in the middle. With -long
// it is ten million, and the master is replaced five times.
func TestLogFlood(t *testing.T) {
	t.Parallel()
	total, upgrades := 1_000_000, 1
	if testreq.Long() {
		total, upgrades = 10_000_000, 5
	}
	t.Run("tableflip", func(t *testing.T) { logFlood(t, "tableflip", total, upgrades) })
	t.Run("exec", func(t *testing.T) { logFlood(t, "exec", total/5, upgrades) })
}

func logFlood(t *testing.T, how string, total, upgrades int) {
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
	go func() {
		for range due {
			s.relevo("upgrade", "site")
		}
	}()
	defer close(due)
	asked := 0
	seen, next := checkFlood(t, bufio.NewScanner(lines), func(seen int) {
		if asked < upgrades && seen > total*(asked+1)/(upgrades+2) {
			asked++
			due <- struct{}{}
		}
		if seen == total {
			if err := os.WriteFile(filepath.Join(s.dir, "enough"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	files, _ := filepath.Glob(filepath.Join(s.dir, "state", "site", "log", "0*"))
	if seen < total || len(files) < 3 {
		t.Fatalf("%d lines were shown, of files %q", seen, files)
	}
	if !await(func() bool { return strings.Count(s.log.String(), "goes on with 4 workers") == upgrades }) {
		t.Errorf("the master was not replaced %d times", upgrades)
	}
	if strings.Contains(s.log.String(), "lost=") {
		t.Error("lines were lost")
	}
	t.Logf("%d lines in %d files, %v", seen, len(files), next)
}
