package proxy

import (
	"bytes"
	"io"
	"strings"
)

// scanner finds the place for a script element in the beginning of a document:
// after the head tag, or else before the first thing for which HTML would open a
// head or a body implicitly ("before head" of the standard, 13.2.6.4.3). Before
// that place there is no script and no open attribute or comment, so none of them can
// be broken, and the doctype stays first.
//
// It holds back only the beginning of a tag that it cannot identify yet.
type scanner struct {
	in   inPart
	tail []byte // the last bytes of a comment, to find its end
	held []byte // not identified yet; at most as long as the longest of the starts below
	done bool
	tag  []byte
}

// inPart is the kind of part that the next byte belongs to.
type inPart int

const (
	between inPart = iota // a new part begins
	comment               // <!-- … -->
	bogus                 // <!doctype …>, <?xml …>: up to the next >
	htmlTag               // the html tag; quotes may hide its end
	headTag
)

const space = " \t\n\f\r"

// scan appends in to out, with the tag at its place.
func (s *scanner) scan(out, in []byte) []byte {
	for i := 0; i < len(in); i++ {
		if s.done {
			return append(out, in[i:]...)
		}
		if s.in == between {
			s.held = append(s.held, in[i])
			out = s.decide(out)
			continue
		}
		out = append(out, in[i])
		if !s.ends(in[i]) {
			continue
		}
		if s.in == headTag {
			out = s.insert(out)
		}
		s.in, s.tail = between, s.tail[:0]
	}
	return out
}

// end handles the end of the body. A document that has not passed the tag's place gets it at the
// end, even an empty one; one that ends within a comment does not.
func (s *scanner) end(out []byte) []byte {
	if !s.done && s.in == between {
		out = s.insert(out)
	}
	return append(out, s.held...)
}

// decide handles the held bytes: it passes them on, keeps them, or inserts the tag before them.
func (s *scanner) decide(out []byte) []byte {
	in, decided := kind(s.held)
	if !decided {
		return out
	}
	held := s.held
	s.held = nil
	switch in {
	case content:
		return append(s.insert(out), held...)
	case between, comment:
		s.in = in
		return append(out, held...)
	default:
		// The byte after the name may already be the end of the tag.
		s.in = in
		last := len(held) - 1
		return s.scan(append(out, held[:last]...), held[last:])
	}
}

const content inPart = -1

// kind says which part begins with these bytes; false: too few bytes.
func kind(held []byte) (inPart, bool) {
	if strings.ContainsRune(space, rune(held[0])) {
		return between, true
	}
	if held[0] == '\xef' && len(held) <= 3 { // the byte order mark of UTF-8
		if mark := "\xef\xbb\xbf"; mark[:len(held)] == string(held) {
			return between, len(held) == len(mark)
		}
	}
	if held[0] != '<' {
		return content, true
	}
	switch text := strings.ToLower(string(held)); {
	case text == "<", text == "<!", text == "<!-":
		return 0, false
	case text == "<!--":
		return comment, true
	case text[1] == '!', text[1] == '?':
		return bogus, true
	case isTag(text, "<html"):
		return htmlTag, true
	case isTag(text, "<head"):
		return headTag, true
	default:
		return content, !strings.HasPrefix("<html", text) && !strings.HasPrefix("<head", text)
	}
}

// isTag checks that the name ends, too: <header> is not a head.
func isTag(text, tag string) bool {
	return len(text) == len(tag)+1 && text[:len(tag)] == tag && strings.IndexByte(space+"/>", text[len(tag)]) >= 0
}

// ends says whether b is the last byte of the part.
func (s *scanner) ends(b byte) bool {
	switch s.in {
	case bogus:
		return b == '>'
	case comment:
		s.tail = append(s.tail, b)
		text := string(s.tail)
		if len(s.tail) > 3 {
			s.tail = append(s.tail[:0], s.tail[len(s.tail)-3:]...)
		}
		// <!--> and <!---> are comments too.
		return text == ">" || text == "->" || strings.HasSuffix(text, "-->") || strings.HasSuffix(text, "--!>")
	default:
		return s.endsTag(b)
	}
}

// endsTag skips quoted values as the standard's tokenizer does: a quote opens a value only right
// after the equals sign.
func (s *scanner) endsTag(b byte) bool {
	const name, unquoted = 'n', 'u'
	state := byte(0)
	if len(s.tail) > 0 {
		state = s.tail[0]
	}
	switch {
	case state == '"' || state == '\'':
		if b == state {
			state = 0
		}
	case b == '>':
		return true
	case state == '=' && (b == '"' || b == '\''):
		state = b
	case strings.IndexByte(space, b) >= 0:
		if state == unquoted {
			state = 0
		}
	case state == '=':
		state = unquoted
	case state == unquoted:
	case state == name && b == '=':
		state = '='
	case b == '/':
		state = 0
	default:
		state = name
	}
	s.tail = append(s.tail[:0], state)
	return false
}

func (s *scanner) insert(out []byte) []byte {
	s.done = true
	return append(out, s.tag...)
}

// injected is a body with the tag in it.
type injected struct {
	body io.ReadCloser
	scan scanner
	in   []byte
	out  bytes.Buffer
	err  error
}

const chunk = 32 << 10

func inject(body io.ReadCloser, tag string) io.ReadCloser {
	return &injected{body: body, scan: scanner{tag: []byte(tag)}}
}

// Read returns what has arrived and waits only for the first byte, so that a page that is written
// in pieces arrives in pieces.
func (r *injected) Read(p []byte) (int, error) {
	for r.out.Len() == 0 && r.err == nil {
		if r.scan.done {
			return r.body.Read(p)
		}
		r.readOn()
	}
	if r.out.Len() > 0 {
		return r.out.Read(p)
	}
	return 0, r.err
}

// readOn reads from the body once, and scans what has come.
func (r *injected) readOn() {
	if r.in == nil {
		r.in = make([]byte, chunk)
	}
	n, err := r.body.Read(r.in)
	out := r.scan.scan(r.out.AvailableBuffer(), r.in[:n])
	switch err {
	case nil:
	case io.EOF:
		out = r.scan.end(out)
	default:
		out = append(out, r.scan.held...)
	}
	r.out.Write(out)
	r.err = err
}

func (r *injected) Close() error { return r.body.Close() }
