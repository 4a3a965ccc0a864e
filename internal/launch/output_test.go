package launch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestTail(t *testing.T) {
	numbered := func(from, to int) (lines []string) {
		for i := from; i <= to; i++ {
			lines = append(lines, fmt.Sprintf("line %04d", i))
		}
		return lines
	}
	wide := strings.Repeat("w", tailBytes)
	for name, c := range map[string]struct {
		written string
		want    []string
	}{
		"nothing":         {"", nil},
		"a begun line":    {"begun", []string{"begun"}},
		"whole and begun": {"a\nb\nc", []string{"a", "b", "c"}},
		"empty lines":     {"a\n\n \t\r\n\nb\n", []string{"a", "b"}},
		"CRLF":            {"a\r\nb\r\n", []string{"a", "b"}},
		"all of a few":    {strings.Join(numbered(1, 20), "\n"), numbered(1, 20)},
		"both ends":       {strings.Join(numbered(1, 25), "\n"), append(append(numbered(1, 3), gap), numbered(10, 25)...)},
		"after a wrap": {strings.Join(numbered(1, 5000), "\n") + "\n",
			append(append(numbered(1, 3), gap), numbered(4985, 5000)...)},
		"a torso is not one": {wide + wide + "\nb\n", []string{wide[:tailWidth], gap, "b"}},
		"one endless line":   {wide + wide, []string{wide[:tailWidth], gap, wide[:tailWidth]}},
		"a wide line":        {wide[:tailWidth+9] + "\nb", []string{wide[:tailWidth], "b"}},
		"not UTF-8":          {"a\xff\xfeb\n", []string{"a·b"}},
		"cut in a rune":      {wide[:tailWidth-1] + "é\n", []string{wide[:tailWidth-1] + "·"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1, 7, tailBytes - 1, tailBytes, 3*tailBytes + 1} {
				var written tail
				for b := range slices.Chunk([]byte(c.written), piece) {
					if n, err := written.Write(b); n != len(b) || err != nil {
						t.Fatalf("wrote %d of %d, %v", n, len(b), err)
					}
				}
				if got := written.lines(); !slices.Equal(got, c.want) {
					t.Errorf("in pieces of %d: got %q, want %q", piece, got, c.want)
				}
			}
		})
	}
}

func TestLinePrefix(t *testing.T) {
	if got := linePrefix("shop", 3, false); got != "shop/3 │ " {
		t.Errorf("got %q", got)
	}
	if got := linePrefix("shop", 3, true); got != "\x1b[35mshop/3 │ \x1b[0m" {
		t.Errorf("got %q", got)
	}
	for slot := range 100 {
		if linePrefix("a", slot, true)[:6] == linePrefix("a", slot+1, true)[:6] {
			t.Errorf("slots %d and %d have the same colour", slot, slot+1)
		}
	}
}

func TestPump(t *testing.T) {
	long := strings.Repeat("x", maxBegun)
	for name, c := range map[string]struct{ in, want string }{
		"nothing":                 {"", ""},
		"lines":                   {"a\nb\n", "> a\n> b\n"},
		"empty line":              {"\n", "> \n"},
		"no end of the last line": {"a\nb", "> a\n> b\n"},
		"CRLF stays":              {"a\r\n", "> a\r\n"},
		"long line":               {long + "\n", "> " + long + "\n"},
		"NUL and invalid":         {"\x00\xff\n", "> \x00\xff\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for way, r := range map[string]io.Reader{
				"whole": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in)),
			} {
				var plain, prefixed bytes.Buffer
				pump(r, &prefixer{to: &prefixed, prefix: "> "}, &tail{}, nil)
				if prefixed.String() != c.want {
					t.Errorf("%s: got %.80q, want %.80q", way, prefixed.String(), c.want)
				}
				pump(strings.NewReader(c.in), &plain, &tail{}, nil)
				if plain.String() != c.in {
					t.Errorf("without a prefix: got %.80q", plain.String())
				}
			}
		})
	}
}

// TestPrefixerBounded: a line without an end is cut, no byte of it is lost, and the part that waits
// for its end stays small.
func TestPrefixerBounded(t *testing.T) {
	var out bytes.Buffer
	p := &prefixer{to: &out, prefix: "> "}
	piece := bytes.Repeat([]byte("x"), 1000)
	for range 1000 {
		p.Write(piece)
		if len(p.begun) > maxBegun {
			t.Fatalf("%d bytes wait", len(p.begun))
		}
	}
	p.Flush()
	if n := strings.Count(out.String(), "x"); n != 1e6 {
		t.Errorf("%d bytes came through, want a million", n)
	}
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "> x") || len(line) > 2*maxBegun {
			t.Fatalf("a line of %d bytes begins with %.10q", len(line), line)
		}
	}
}

// TestPrefixersDoNotMix: each write of a prefixer contains only whole lines, so that lines of
// several workers do not mix.
func TestPrefixersDoNotMix(t *testing.T) {
	var mu sync.Mutex
	var all bytes.Buffer
	shared := writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return all.Write(b)
	})
	const workers, lines = 16, 200
	var pumps sync.WaitGroup
	for worker := range workers {
		var text strings.Builder
		for i := range lines {
			fmt.Fprintf(&text, "%d says %d %s\n", worker, i, strings.Repeat(".", i))
		}
		pumps.Go(func() {
			pump(iotest.HalfReader(strings.NewReader(text.String())),
				&prefixer{to: shared, prefix: fmt.Sprintf("[%d] ", worker)}, &tail{}, nil)
		})
	}
	pumps.Wait()
	next := map[int]int{}
	for line := range strings.Lines(all.String()) {
		var prefix, worker, i int
		if _, err := fmt.Sscanf(line, "[%d] %d says %d", &prefix, &worker, &i); err != nil || prefix != worker ||
			i != next[worker] {
			t.Fatalf("got %q when line %d of worker %d was next: %v", line, next[worker], worker, err)
		}
		if !strings.HasSuffix(line, " "+strings.Repeat(".", i)+"\n") {
			t.Fatalf("a torn line: %q", line)
		}
		next[worker]++
	}
	for worker := range workers {
		if next[worker] != lines {
			t.Errorf("%d lines of worker %d, want %d", next[worker], worker, lines)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestPumpOutlivesItsReader: when the reader of the output has gone, the worker does not notice, and
// its last lines are still known.
func TestPumpOutlivesItsReader(t *testing.T) {
	for _, prefix := range []string{"", "> "} {
		broken := writerFunc(func([]byte) (int, error) { return 0, errors.New("broken pipe") })
		var to io.Writer = broken
		if prefix != "" {
			to = &prefixer{to: broken, prefix: prefix}
		}
		var last tail
		pump(strings.NewReader(strings.Repeat("lost\n", 10_000)+"last\n"), to, &last, nil)
		if lines := last.lines(); len(lines) == 0 || lines[len(lines)-1] != "last" {
			t.Errorf("the tail is %q", lines)
		}
	}
}

// TestPumpLeft: a pump that is detached while the master's own output is blocked takes nothing more
// out of the pipe, which the next master's pump may already read.
func TestPumpLeft(t *testing.T) {
	from, feed := io.Pipe()
	blocked, going := io.Pipe()
	left, pumped := make(chan struct{}), make(chan bool)
	go func() { pumped <- pump(from, going, &tail{}, left) }()
	feed.Write([]byte("first\n"))
	close(left)
	got := make([]byte, 6)
	if _, err := io.ReadFull(blocked, got); err != nil || string(got) != "first\n" {
		t.Errorf("%q, %v", got, err)
	}
	if <-pumped {
		t.Error("the pump takes the output for ended")
	}
	go feed.Write([]byte("second\n"))
	if got, err := bufio.NewReader(from).ReadString('\n'); got != "second\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestWordsArePrintable: the output and the status of a worker can be shown on terminals.
func TestWordsArePrintable(t *testing.T) {
	const hostile = "\x1b]0;owned\a\x1b[31mred\x1b[0m \u009b2J\x9b1m\u202elast\r\n"
	var kept tail
	kept.Write([]byte(hostile + "9 99\n"))
	if got := kept.lines(); len(got) != 2 || got[0] != "red last" {
		t.Errorf("the last output is %q", got)
	}
	if got := clip(hostile + "9  99  faked row"); got != "red last ⏎ 9  99  faked row" {
		t.Errorf("the status is %q", got)
	}
	if got := clip(strings.Repeat("é", maxStatus)); len(got) != maxStatus || !utf8.ValidString(got) {
		t.Errorf("a long status is %d bytes, valid: %v", len(got), utf8.ValidString(got))
	}
}
