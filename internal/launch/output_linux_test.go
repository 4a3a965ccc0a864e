package launch

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"relevo/internal/testbuffer"
	"relevo/pool"
)

// spewedLines makes about 64 MiB.
const spewedLines = 1 << 19

func spewed(i int) string { return fmt.Sprintf("line %08d %s", i, strings.Repeat("#", 113)) }

var spewsOutput = behaves("spew-output", func() {
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	line := []byte(spewed(0) + "\n")
	for i := range spewedLines {
		copy(line[5:], fmt.Sprintf("%08d", i))
		out.Write(line)
	}
	out.Flush()
})

// counter counts bytes and lines, and checks that no line is torn.
type counter struct {
	bytes, lines atomic.Int64

	whole  int64 // after so many bytes the memory is read
	memory runtime.MemStats
}

func (c *counter) Write(b []byte) (int, error) {
	if c.bytes.Add(int64(len(b))) == c.whole {
		runtime.ReadMemStats(&c.memory)
	}
	c.lines.Add(int64(bytes.Count(b, []byte("\n"))))
	return len(b), nil
}

// TestSpewOutput: a flood passes through at almost no cost in memory, and its last lines are known.
func TestSpewOutput(t *testing.T) {
	size := int64(len(spewed(0)) + 1)
	out := &counter{whole: spewedLines * size}
	r := newRigOf(t, Options{Streams: Streams{Out: out, Err: out}})
	release := r.prepare(spewsOutput.command())
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	w := r.startOf(release, pool.Order{ID: "1"})
	exited := w.exit()
	if got, want := out.bytes.Load(), out.whole; got != want {
		t.Fatalf("%d bytes came through, want %d; it ended with %v", got, want, exited.Status)
	}
	// The search for the cause of the death comes later, and is not measured here.
	if spent := out.memory.TotalAlloc - before.TotalAlloc; spent > 4<<20 {
		t.Errorf("the flood of %d MiB cost the master %d KiB of memory", spewedLines*size>>20, spent>>10)
	}
	var want []string
	for i := spewedLines - shownLast; i < spewedLines; i++ {
		want = append(want, spewed(i))
	}
	if got := w.Tail(); got[0] != spewed(0) || !slices.Equal(got[len(got)-len(want):], want) {
		t.Errorf("the last lines are %q, want %q", got, want)
	}
}

// TestOutputOfManyWorkers: both streams arrive in whole lines, prefixed by the slot.
func TestOutputOfManyWorkers(t *testing.T) {
	t.Parallel()
	out, err := &testbuffer.Buffer{}, &testbuffer.Buffer{}
	r := newRigOf(t, Options{Streams: Streams{Out: out, Err: err, PrefixOut: true, PrefixErr: true, ColorErr: true}})
	release := r.prepare(shell(`i=0; while [ $i -lt 50 ]; do echo "$RELEVO_SLOT says $i"; echo "$RELEVO_SLOT warns $i" ` +
		`>&2; i=$((i+1)); done; printf begun`))
	const many = 6
	var all sync.WaitGroup
	for slot := range many {
		w := r.startOf(release, pool.Order{ID: fmt.Sprint(slot), Slot: slot})
		all.Go(func() { w.exit() })
	}
	all.Wait()
	for slot := range many {
		plain, coloured := fmt.Sprintf("app/%d │ ", slot), linePrefix("app", slot, true)
		var wantOut, wantErr []string
		for i := range 50 {
			wantOut = append(wantOut, fmt.Sprintf("%s%d says %d\n", plain, slot, i))
			wantErr = append(wantErr, fmt.Sprintf("%s%d warns %d\n", coloured, slot, i))
		}
		wantOut = append(wantOut, plain+"begun\n")
		if got := linesWith(out.String(), plain); !slices.Equal(got, wantOut) {
			t.Errorf("slot %d printed %q", slot, got)
		}
		if got := linesWith(err.String(), coloured); !slices.Equal(got, wantErr) {
			t.Errorf("slot %d printed %q to stderr", slot, got)
		}
	}
	if got := strings.Count(out.String(), "\n"); got != many*51 {
		t.Errorf("%d lines in all, want %d", got, many*51)
	}
}

func linesWith(text, prefix string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestInheritedOutput: the workers write to the files themselves.
func TestInheritedOutput(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	r := newRigOf(t, Options{Streams: Streams{Inherit: [2]*os.File{write, write}, PrefixOut: true}})
	w := r.start(shell("echo out; echo err >&2"))
	w.exit()
	write.Close() // the last copy: now the pipe can end
	if text, err := io.ReadAll(read); string(text) != "out\nerr\n" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if lines := w.Tail(); len(lines) != 0 {
		t.Errorf("the tail is %q", lines)
	}

	out := &testbuffer.Buffer{}
	r = newRigOf(t, Options{Streams: Streams{Inherit: [2]*os.File{nil, os.Stderr}, Out: out}})
	w = r.start(shell("echo only one of the two"))
	w.exit()
	if want := "only one of the two"; out.String() != want+"\n" || !slices.Equal(w.Tail(), []string{want}) {
		t.Errorf("out %q, tail %q", out, w.Tail())
	}
}

// TestNoStreams: the zero value discards, but keeps the last lines.
func TestNoStreams(t *testing.T) {
	t.Parallel()
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Launcher: l, t: t}
	w := r.start(shell("echo out; echo err >&2"))
	w.exit()
	lines := w.Tail()
	slices.Sort(lines)
	if !slices.Equal(lines, []string{"err", "out"}) {
		t.Errorf("the tail is %q", lines)
	}
}

// TestSlowReader: a reader that does not read the output holds up its worker, but not the report of
// another worker's end.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	r := newRigOf(t, Options{Streams: Streams{Out: writerFunc(func(b []byte) (int, error) {
		<-stuck
		return len(b), nil
	}), Err: io.Discard}})
	talks := r.start(shell("while echo spam; do :; done"))
	expect[pool.Online](talks)
	silent := r.start(shell("exit 4"))
	if exited := silent.exit(); exited.Status.Code != 4 {
		t.Errorf("the worker ended with %v", exited.Status)
	}
	talks.Kill()
	talks.exit() // within outputPatience, although the output is not read
	close(stuck)
	talks.Process.(*Process).pumps.Wait()
}

// TestLateReader: output of a dead worker is not given up while it still waits to be read.
func TestLateReader(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	out := &counter{}
	r := newRigOf(t, Options{Streams: Streams{Out: writerFunc(func(b []byte) (int, error) {
		<-free
		return out.Write(b)
	})}})
	w := r.start(shell("i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); done; exit 3"))
	await(t, "the worker's death", func() bool { return state(w.PID()) == "" })
	late := time.AfterFunc(outputGrace+outputGrace/4, func() { close(free) })
	defer late.Stop()
	w.exit()
	if lines := w.Tail(); out.lines.Load() != 4000 || len(lines) == 0 || lines[len(lines)-1] != "line 3999" {
		t.Errorf("%d of 4000 lines came through before the report of its end, the last of them %q", out.lines.Load(), lines)
	}
}
