package prove

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func reader(s string) *bufio.Reader {
	return bufio.NewReaderSize(strings.NewReader(s), readBuffer)
}

func TestReadAnswer(t *testing.T) {
	long := strings.Repeat("x", 3*readBuffer)
	for _, test := range []struct {
		text string
		head bool
		want answer
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, answer{200, 5, false}},
		{"HTTP/1.1 200 OK\ncontent-LENGTH:5\n\nhello", false, answer{200, 5, false}},
		{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, answer{200, 0, false}},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, answer{200, 5, false}},
		{"HTTP/1.1 200 OK\r\n\r\nto the end", false, answer{200, 10, true}},
		{"HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", false, answer{200, 0, true}},
		{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, answer{200, 0, true}},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false, answer{200, 0, false}},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n", false,
			answer{200, 15, false}},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n", false, answer{200, 1, false}},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, answer{200, 0, false}},
		{"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", false, answer{204, 0, false}},
		{"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", false, answer{304, 0, false}},
		{"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, answer{200, 0, false}},
		{"HTTP/1.1 101 Switch\r\n\r\n", false, answer{101, 0, true}},
		{"HTTP/1.1 200 " + long + "\r\nX: " + long + "\r\nContent-Length: 1\r\n\r\nx", false, answer{200, 1, false}},
		{"HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 3\r\nContent-Length: 1\r\n\r\nx", false, answer{200, 1, false}},
		{"HTTP/1.1 200 OK\r\nContent-Length: 49152\r\n\r\n" + long, false, answer{200, 49152, false}},
	} {
		got, err := readAnswer(reader(test.text), test.head)
		if err != nil || got != test.want {
			t.Errorf("%.80q: %+v, %v, want %+v", test.text, got, err, test.want)
		}
		slow := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(test.text)), readBuffer)
		if got, err := readAnswer(slow, test.head); err != nil || got != test.want {
			t.Errorf("byte by byte %.80q: %+v, %v", test.text, got, err)
		}
	}
}

func TestReadAnswerBrokenOff(t *testing.T) {
	for _, whole := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
	} {
		if _, err := readAnswer(reader(whole), false); err != nil {
			t.Fatalf("%q: %v", whole, err)
		}
		for n := range whole {
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			if _, err := readAnswer(reader(whole[:n]), false); err != want {
				t.Errorf("%q: error %v, want %v", whole[:n], err, want)
			}
		}
	}
}

func TestReadAnswerMalformed(t *testing.T) {
	for _, text := range []string{
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12345678123456781\r\n",
		"HTTP/1.1 200 OK\r\nConnection: " + strings.Repeat("x", 2*readBuffer) + "\r\n\r\n",
	} {
		_, err := readAnswer(reader(text), false)
		var m malformed
		if !errors.As(err, &m) {
			t.Errorf("%.80q: error %v", text, err)
		}
	}
}

func TestReadAnswerAllocatesNothing(t *testing.T) {
	text := []byte("HTTP/1.1 200 OK\r\nDate: Mon\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello")
	source := bytes.NewReader(text)
	br := bufio.NewReaderSize(nil, readBuffer)
	n := testing.AllocsPerRun(100, func() {
		source.Reset(text)
		br.Reset(source)
		if _, err := readAnswer(br, false); err != nil {
			t.Error(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations for one answer", n)
	}
}

// FuzzReadAnswer compares with net/http: both accept the same answers and find the same in them,
// apart from the listed differences in strictness.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\n\r\nto the end",
		"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.0 200 OK\r\nConnection: a, keep-alive\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\na \r\n0123456789\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 204 No\r\nConnection:close\r\nX: y\r\n z\r\n\r\n",
		"HTTP/1.1 304 No\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n",
		"HTTP/1.1 200\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 101 Switch\r\nTrailer: A\r\n\r\nrest",
		"HTTP/1.0 200 OK\nContent-Length: \n 00\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, head bool) {
		got, err := readAnswer(bufio.NewReaderSize(bytes.NewReader(text), readBuffer), head)
		want, wantErr := readWithNetHTTP(text, head)
		switch {
		case err == nil && wantErr == nil:
			if got != want {
				t.Errorf("%q: %+v, net/http: %+v", text, got, want)
			}
		case err == nil && !netHTTPIsStricter(wantErr):
			t.Errorf("%q: %+v, net/http: %v", text, got, wantErr)
		case wantErr == nil && !weAreStricter(err, text):
			t.Errorf("%q: %v, net/http: %+v", text, err, want)
		}
	})
}

func readWithNetHTTP(text []byte, head bool) (answer, error) {
	br := bufio.NewReaderSize(bytes.NewReader(text), readBuffer)
	request := &http.Request{Method: http.MethodGet}
	if head {
		request.Method = http.MethodHead
	}
	for {
		r, err := http.ReadResponse(br, request)
		if err != nil {
			return answer{}, err
		}
		if r.ProtoMajor != 1 || r.StatusCode < 100 {
			return answer{}, errors.New("malformed HTTP version or status")
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || r.StatusCode/100 != 1 || r.StatusCode == 101 {
			return answer{r.StatusCode, n, r.Close || r.StatusCode == 101}, err
		}
	}
}

// netHTTPIsStricter lists checks of net/http that do not concern framing.
func netHTTPIsStricter(err error) bool {
	return contains(err, "malformed MIME header", "bad trailer key", "too much non-data", "line too long",
		"suspiciously long trailer")
}

// weAreStricter lists errors that no server makes and that net/http tolerates.
func weAreStricter(err error, text []byte) bool {
	folded := bytes.Contains(text, []byte("\n ")) || bytes.Contains(text, []byte("\n\t"))
	return folded && contains(err, "Content-Length") ||
		contains(err, "folded header line", "is too long", "is no HTTP/1 status line", "has no status",
			"does not end in CRLF", "trailer line", "has no name")
}

func contains(err error, texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(err.Error(), s) })
}

func BenchmarkReadAnswer(b *testing.B) {
	text := []byte("HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 13:14:24 GMT\r\nContent-Length: 5\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\nhello")
	source := bytes.NewReader(text)
	br := bufio.NewReaderSize(nil, readBuffer)
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			source.Reset(text)
			br.Reset(source)
			if _, err := readAnswer(br, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			source.Reset(text)
			br.Reset(source)
			r, err := http.ReadResponse(br, nil)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, r.Body)
		}
	})
}
