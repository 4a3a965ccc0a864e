package prove

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
)

// skip reads n bytes. The error is io.EOF if fewer arrived.
func skip(br *bufio.Reader, n int64) (int64, error) {
	const most = 1 << 30 // Discard takes an int
	var done int64
	for done < n {
		got, err := br.Discard(int(min(n-done, most)))
		done += int64(got)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// skipLine reads to the end of a line whose first part ReadSlice has returned together with err.
func skipLine(br *bufio.Reader, err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = br.ReadSlice('\n')
	}
	return err
}

// skipChunks reads a chunked body and its trailer, RFC 9112 §7.1, and returns
// the bytes of the body.
func skipChunks(br *bufio.Reader) (int64, error) {
	var body int64
	for {
		size, err := readChunkSize(br)
		if err != nil {
			return body, err
		}
		if size == 0 {
			return body, skipTrailer(br)
		}
		n, err := skip(br, size)
		body += n
		if err != nil {
			return body, err
		}
		end, err := br.Peek(2)
		if len(end) == 2 && !bytes.Equal(end, []byte("\r\n")) {
			return body, malformed("chunk that does not end")
		}
		if err != nil {
			return body, err
		}
		_, _ = br.Discard(2)
	}
}

func readChunkSize(br *bufio.Reader) (int64, error) {
	line, err := readCRLF(br)
	if err != nil {
		return 0, err
	}
	number, _, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte{';'})
	var n uint64
	for _, c := range number {
		d := hexDigit(c)
		if d < 0 {
			return 0, malformed(fmt.Sprintf("chunk size %.40q", number))
		}
		n = n<<4 | uint64(d)
	}
	if len(number) == 0 || len(number) > 16 || n > math.MaxInt64 {
		return 0, malformed(fmt.Sprintf("chunk size %.40q", number))
	}
	return int64(n), nil
}

// skipTrailer reads the fields after the last chunk, to the empty line.
func skipTrailer(br *bufio.Reader) error {
	for {
		line, err := readCRLF(br)
		if err != nil || len(line) == 0 {
			return err
		}
		if bytes.IndexByte(line, ':') <= 0 {
			return malformed(fmt.Sprintf("trailer line %.40q has no name", line))
		}
	}
}

// readCRLF reads a line of the chunked framing, where a bare LF ends nothing.
func readCRLF(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, malformed("line of the chunked framing is too long")
	}
	if err != nil {
		return nil, err
	}
	if i := bytes.IndexByte(line, '\r'); i < 0 || i != len(line)-2 {
		return nil, malformed(fmt.Sprintf("line of the chunked framing %.40q does not end in CRLF", line))
	}
	return line[:len(line)-2], nil
}

func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// isWord compares without regard to ASCII case; word is lower case.
func isWord(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
