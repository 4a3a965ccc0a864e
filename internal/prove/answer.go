package prove

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// answer has what matters of an HTTP/1 response that was read completely.
type answer struct {
	status int
	body   int64 // bytes, without the framing
	close  bool  // the connection carries no further request
}

// malformed is an answer that breaks the protocol.
type malformed string

func (m malformed) Error() string { return "malformed answer: " + string(m) }

// fields are the header fields that frame a response.
type fields struct {
	length     int64 // Content-Length, -1 without one
	digits     int   // how the length was written, since all copies must agree
	codings    int   // Transfer-Encoding fields
	chunked    bool
	close      bool
	keepAlive  bool
	minor      int // of the protocol version
	continuing bool
}

// readAnswer reads one final response, body and trailer included, and keeps none of it. head says
// that it answers a HEAD request. It follows RFC 9112 and is checked against net/http by a fuzz
// test; where they differ it is the stricter one. It allocates nothing, because it shares the cores
// with the app. The error is io.EOF if nothing at all arrived, and io.ErrUnexpectedEOF if the
// answer broke off.
func readAnswer(br *bufio.Reader, head bool) (answer, error) {
	if _, err := br.Peek(1); err != nil {
		return answer{}, err
	}
	for {
		a, err := readOne(br, head)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		// 1xx responses precede the final answer; after 101 HTTP has ended.
		if err != nil || a.status/100 != 1 || a.status == 101 {
			return a, err
		}
	}
}

// readOne reads one response, final or interim.
func readOne(br *bufio.Reader, head bool) (answer, error) {
	a := answer{}
	f := fields{length: -1}
	var err error
	if a.status, f.minor, err = readStatus(br); err != nil {
		return a, err
	}
	if err := f.read(br); err != nil {
		return a, err
	}
	a.close = f.closing() || a.status == 101
	switch {
	case head, a.status/100 == 1, a.status == 204, a.status == 304:
	case f.chunked:
		a.body, err = skipChunks(br)
	case f.length >= 0:
		a.body, err = skip(br, f.length)
	default:
		a.close = true
		if a.body, err = skip(br, math.MaxInt64); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	return a, err
}

// readStatus reads "HTTP/1.1 200 OK".
func readStatus(br *bufio.Reader) (status, minor int, err error) {
	line, err := br.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return 0, 0, err
	}
	if len(line) < len("HTTP/1.1 200\n") || !bytes.HasPrefix(line, []byte("HTTP/1.")) ||
		line[8] != ' ' || !isDigit(line[7]) {
		return 0, 0, malformed(fmt.Sprintf("%.40q is no HTTP/1 status line", line))
	}
	for _, c := range line[9:12] {
		if !isDigit(c) {
			return 0, 0, malformed(fmt.Sprintf("%.40q has no status", line))
		}
		status = status*10 + int(c-'0')
	}
	if end := line[12]; status < 100 || end != ' ' && end != '\n' && string(line[12:]) != "\r\n" {
		return 0, 0, malformed(fmt.Sprintf("%.40q has no status", line))
	}
	minor = int(line[7] - '0')
	return status, minor, skipLine(br, err)
}

// read reads the header fields up to the empty line.
func (f *fields) read(br *bufio.Reader) error {
	for first := true; ; first = false {
		line, err := br.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full {
			return err
		}
		if !full {
			if line = trimEnd(line); len(line) == 0 {
				return f.check()
			}
		}
		if line[0] == ' ' || line[0] == '\t' {
			// The previous line continues, see RFC 9112 §5.2. A folded framing field is a sign of
			// an attack.
			if first || f.continuing {
				return malformed("folded header line")
			}
		} else if err := f.line(line, full); err != nil {
			return err
		}
		if err := skipLine(br, err); err != nil {
			return err
		}
	}
}

// line handles one header line. cut says that its end is missing.
func (f *fields) line(line []byte, cut bool) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return malformed(fmt.Sprintf("header line %.40q has no name", line))
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	f.continuing = true
	var err error
	switch {
	case isWord(name, "content-length"):
		err = f.contentLength(value)
	case isWord(name, "transfer-encoding"):
		f.codings++
		f.chunked = isWord(value, "chunked")
	case isWord(name, "connection"):
		f.connection(value)
	default:
		f.continuing = false
	}
	if f.continuing && cut {
		err = malformed(fmt.Sprintf("header line %.40q is too long", line))
	}
	return err
}

func (f *fields) contentLength(value []byte) error {
	n := int64(0)
	ok := len(value) > 0
	for _, c := range value {
		ok = ok && isDigit(c) && n <= (math.MaxInt64-9)/10
		n = n*10 + int64(c-'0')
	}
	if !ok {
		return malformed(fmt.Sprintf("Content-Length %.40q", value))
	}
	if f.length >= 0 && (f.length != n || f.digits != len(value)) {
		return malformed("Content-Length fields that differ")
	}
	f.length, f.digits = n, len(value)
	return nil
}

func (f *fields) connection(value []byte) {
	for len(value) > 0 {
		token, rest, _ := bytes.Cut(value, []byte{','})
		token = bytes.Trim(token, " \t")
		f.close = f.close || isWord(token, "close")
		f.keepAlive = f.keepAlive || isWord(token, "keep-alive")
		value = rest
	}
}

// check runs after the last field. HTTP/1.0 knows no transfer codings.
func (f *fields) check() error {
	if f.minor == 0 {
		f.chunked = false
		return nil
	}
	if f.codings > 1 || f.codings == 1 && !f.chunked {
		return malformed("a Transfer-Encoding other than chunked")
	}
	return nil
}

func (f *fields) closing() bool {
	return f.close || f.minor == 0 && !f.keepAlive
}
