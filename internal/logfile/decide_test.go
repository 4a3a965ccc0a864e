package logfile

import (
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := Limits{MaxSize: 10, MaxAge: time.Hour, Keep: 3}
	for name, c := range map[string]struct {
		limits Limits
		size   int64
		age    time.Duration
		lines  string
		want   int
	}{
		"all fit":                          {l, 0, 0, "ab\ncd\n", 6},
		"exactly":                          {l, 4, 0, "ab\ncd\n", 6},
		"the first fits":                   {l, 5, 0, "ab\ncd\n", 3},
		"none fits":                        {l, 8, 0, "ab\ncd\n", 0},
		"the file is too large already":    {l, 99, 0, "ab\ncd\n", 0},
		"a line that no file has room for": {l, 0, 0, "0123456789abcdef\ncd\n", 17},
		"too old":                          {l, 1, time.Hour, "ab\n", 0},
		"old, but empty":                   {l, 0, time.Hour, "ab\n", 3},
		"nearly too old":                   {l, 1, time.Hour - 1, "ab\n", 3},
		"any age":                          {Limits{MaxSize: 10, MaxAge: -1}, 1, 1e6 * time.Hour, "ab\n", 3},
		"a clock that was set back":        {l, 1, -time.Hour, "ab\n", 3},
	} {
		if got := c.limits.next(c.size, begun, begun.Add(c.age), []byte(c.lines)); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
}

func TestSurplus(t *testing.T) {
	files := []File{{Number: 3}, {Number: 5}, {Number: 6}, {Number: 9}}
	for keep, want := range map[int]int{0: 3, 1: 2, 3: 0, 10: 0} {
		got := Limits{Keep: keep}.surplus(files)
		if len(got) != want || want > 0 && got[0].Number != 3 {
			t.Errorf("keep %d: %v goes, want %d files", keep, got, want)
		}
	}
	if got := (Limits{}).surplus(nil); len(got) != 0 {
		t.Errorf("of no files %v goes", got)
	}
}

func TestDefaults(t *testing.T) {
	if got, want := (Limits{}).set(), (Limits{DefaultMaxSize, DefaultMaxAge, DefaultKeep}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := (Limits{MaxSize: 1, MaxAge: -1, Keep: -1}).set(), (Limits{MinSize, -1, 0}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := (Limits{}).set().fitting(1 << 20).MaxSize; got != MinSize {
		t.Errorf("on a disk of 1 MiB a file has %d bytes", got)
	}
	if got := (Limits{}).set().fitting(1 << 40).MaxSize; got != DefaultMaxSize {
		t.Errorf("on a large disk a file has %d bytes", got)
	}
}

func TestFragment(t *testing.T) {
	for _, c := range []struct {
		n          int
		owed, rest string
	}{{0, "", "ab\ncd\n"}, {1, "b\n", "cd\n"}, {2, "\n", "cd\n"}, {3, "", "cd\n"}, {5, "\n", ""}, {6, "", ""}} {
		owed, rest := fragment([]byte("ab\ncd\n"), c.n)
		if string(owed) != c.owed || string(rest) != c.rest {
			t.Errorf("after %d bytes: %q and %q, want %q and %q", c.n, owed, rest, c.owed, c.rest)
		}
	}
}

func TestRecord(t *testing.T) {
	at := time.Date(2026, 11, 26, 9, 16, 39, 123456789, time.FixedZone("", 3600))
	words := Source{Slot: 2, Generation: 7, PID: 4711, Stream: Err}.words()
	line := appendRecord(nil, at, words, "-+", []byte("a "), []byte("b"))
	if want := "2026-11-26T08:16:39.123456Z 2 g7 4711 err-+ a b\n"; string(line) != want {
		t.Fatalf("got %q, want %q", line, want)
	}
	want := Record{Time: at.UTC().Truncate(time.Microsecond), Slot: 2, Generation: 7, PID: 4711, Stream: Err, Text: "a b",
		More: true, Torn: true}
	if got := parse(line[:len(line)-1]); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	own := appendRecord(nil, at, Source{Slot: -1, PID: 1, Stream: Log}.words(), "", nil)
	if got := parse(own[:len(own)-1]); got.Slot != -1 || got.Stream != Log || got.Text != "" || got.Time.IsZero() {
		t.Errorf("the master's own empty line is %+v", got)
	}
	for _, foreign := range []string{"", "hello", "2026-11-26T08:16:39.123456Z",
		"2026-11-26T08:16:39.123456Z x g7 1 err a",
		"26-11-2026 0 g7 1 err a", "2026-11-26T08:16:39.123456Z 0 g7 1 err"} {
		if got := parse([]byte(foreign)); got.Text != foreign || !got.Time.IsZero() {
			t.Errorf("%q is %+v", foreign, got)
		}
	}
}
