package ipc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll returns the messages up to the error that ends them.
func readAll(r *Reader) (all []Message, err error) {
	for {
		m, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
}

func app(text string) App { return App{Data: json.RawMessage(text)} }

func TestReader(t *testing.T) {
	long := `"` + strings.Repeat("long ", 1000) + `"`
	for name, c := range map[string]struct {
		text string
		want []Message
	}{
		"nothing":            {"", nil},
		"one":                {"{\"relevo\":\"ready\"}\n", []Message{Ready{}}},
		"two at once":        {"1\n\"two\"\n", []Message{app("1"), app(`"two"`)}},
		"CRLF":               {"1\r\n{\"relevo\":\"drained\"}\r\n", []Message{app("1"), Drained{}}},
		"empty lines":        {"\n\r\n\n1\n\n\r\n2\n\n", []Message{app("1"), app("2")}},
		"torn last line":     {"1\n{\"relevo\":\"rea", []Message{app("1")}},
		"whole but torn":     {"1\n2", []Message{app("1")}},
		"long, short, long":  {long + "\n1\n" + long + "\n", []Message{app(long), app("1"), app(long)}},
		"string with escape": {"\"a\\nb\"\n", []Message{app(`"a\nb"`)}},
	} {
		t.Run(name, func(t *testing.T) {
			for way, r := range map[string]io.Reader{
				"whole": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text)),
				"halves":        iotest.HalfReader(strings.NewReader(c.text)),
				"data with EOF": iotest.DataErrReader(strings.NewReader(c.text)),
			} {
				if got, err := readAll(NewReader(r)); err != io.EOF || !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s: got %v, %v, want %v and EOF", way, got, err, c.want)
				}
			}
		})
	}
}

func TestReaderEndsWithTheChannelsError(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(strings.NewReader("1\n2"), iotest.ErrReader(broken)))
	if got, err := readAll(r); !errors.Is(err, broken) || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := readAll(NewReader(strings.NewReader("1\nnonsense\n2\n"))); err == nil || err == io.EOF ||
		len(got) != 1 {
		t.Errorf("got %v, %v, want one message and the complaint", got, err)
	}
}

func TestReaderLimit(t *testing.T) {
	line := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	r := NewReader(strings.NewReader(line(MaxLine) + "\n1\n" + line(MaxLine-1) + "\r\n" + line(MaxLine+1) + "\n"))
	for _, want := range []int{MaxLine, 1, MaxLine - 1} {
		m, err := r.Next()
		if err != nil || len(m.(App).Data) != want {
			t.Fatalf("a line of %d bytes: %v", want, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("one byte more than MaxLine: %v, want ErrLineTooLong", err)
	}
}

// endless never ends a line.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	e.read += len(b)
	return len(b), nil
}

func TestReaderStopsReading(t *testing.T) {
	source := &endless{}
	r := NewReader(source)
	if _, err := r.Next(); !errors.Is(err, ErrLineTooLong) {
		t.Fatalf("got %v, want ErrLineTooLong", err)
	}
	if source.read > MaxLine+4096 || cap(r.long) > 2*MaxLine {
		t.Errorf("read %d bytes and holds %d for a line that has no end", source.read, cap(r.long))
	}
}

func TestReaderGivesMemoryBack(t *testing.T) {
	r := NewReader(strings.NewReader(`"` + strings.Repeat("x", MaxLine/2) + "\"\n1\n"))
	if got, err := readAll(r); err != io.EOF || len(got) != 2 {
		t.Fatalf("got %d messages, %v", len(got), err)
	}
	if cap(r.long) > 64<<10 {
		t.Errorf("holds %d bytes after the long line is long gone", cap(r.long))
	}
}

// splitAll is what a Reader does, said in the plainest way.
func splitAll(stream []byte) (all []Message, err error) {
	for {
		line, rest, whole := bytes.Cut(stream, []byte("\n"))
		switch {
		case !whole && len(line) > MaxLine+1, whole && len(line) > MaxLine:
			return all, ErrLineTooLong
		case !whole:
			return all, io.EOF
		}
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > 0 {
			m, err := Decode(line)
			if err != nil {
				return all, err
			}
			all = append(all, m)
		}
		stream = rest
	}
}

// chunks gives its text in pieces of a fixed size.
type chunks struct {
	text []byte
	size int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.text[:min(c.size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

// FuzzReader: a Reader finds the same messages as splitAll, however the bytes
// arrive, and never holds more than about one line.
func FuzzReader(f *testing.F) {
	f.Add([]byte("1\n\"two\"\r\n\n{\"relevo\":\"ready\"}\n"), uint32(1), uint16(1))
	f.Add([]byte("x"), uint32(MaxLine+2), uint16(4096))
	f.Add([]byte("          "), uint32(MaxLine/10+1), uint16(1000))
	f.Add([]byte("[]\n"), uint32(5000), uint16(7))
	f.Add([]byte("\r\n"), uint32(5000), uint16(1023))
	f.Fuzz(func(t *testing.T, text []byte, times uint32, size uint16) {
		if len(text) == 0 {
			return
		}
		const most = MaxLine + MaxLine/2
		stream := bytes.Repeat(text, int(min(times, uint32(max(1, most/len(text))))))
		want, wantErr := splitAll(stream)
		r := NewReader(&chunks{text: stream, size: int(size)%8192 + 1})
		got, err := readAll(r)
		if !reflect.DeepEqual(got, want) || err.Error() != wantErr.Error() {
			t.Fatalf("got %d messages, %v; want %d, %v", len(got), err, len(want), wantErr)
		}
		if cap(r.long) > 2*MaxLine {
			t.Fatalf("holds %d bytes", cap(r.long))
		}
	})
}
