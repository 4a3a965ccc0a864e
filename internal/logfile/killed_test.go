package logfile

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const floodDir = "RELEVO_TEST_FLOOD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(floodDir); dir != "" {
		flood(dir)
		return
	}
	os.Exit(m.Run())
}

// flood writes lines until it is killed, in files of the minimum size, so that it rotates and
// compresses all the time. It prints how many lines are written.
func flood(dir string) {
	w := New(Options{Dir: dir, Limits: Limits{MaxSize: MinSize, Keep: 1000}})
	s := w.Stream(source(0, Out), nil, false)
	text := strings.Repeat("#", 200)
	for i := 0; ; i++ {
		fmt.Fprintf(s, "%d %s\n", i, text)
		if i%100 == 99 {
			w.Sync()
			fmt.Println(i)
		}
	}
}

// TestKilled: a writer that is killed at any moment leaves only whole lines, all that it had
// reported as written, and the next writer continues.
func TestKilled(t *testing.T) {
	text := " " + strings.Repeat("#", 200)
	dir := t.TempDir()
	for round := range 20 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), floodDir+"="+dir)
		says, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		last, lines := -1, bufio.NewScanner(says)
		for said := 0; lines.Scan(); said++ {
			fmt.Sscan(lines.Text(), &last)
			if said == 10+7*round {
				child.Process.Kill()
			}
		}
		child.Wait()
		w := New(Options{Dir: dir})
		w.disk.wanted.Keep = 1000
		fmt.Fprintln(w.Stream(source(1, Out), nil, false), "next")
		w.Close()
		next := 0
		for _, r := range all(t, dir) {
			if r.Slot == 1 {
				continue
			}
			if r.Text == "0"+text && next > last {
				next = 0 // of the next child
			}
			if r.Text != fmt.Sprint(next)+text {
				t.Fatalf("round %d: got %.40q, want line %d", round, r.Text, next)
			}
			next++
		}
		if next <= last {
			t.Fatalf("round %d: %d lines are there, %d were written", round, next, last+1)
		}
		os.RemoveAll(dir)
	}
}
