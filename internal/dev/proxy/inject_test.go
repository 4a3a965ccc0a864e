package proxy

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const testTag = "<T>"

// injections are documents in which | marks the place of the tag.
var injections = map[string]string{
	"empty":                "|",
	"only space":           " \n|",
	"head":                 "<!doctype html>\n<html lang=en><head>|<title>x</title></head>",
	"capitals":             "<!DOCTYPE HTML><HTML><HEAD>|<TITLE>",
	"no head":              "<!doctype html><html>|<body>x",
	"head left out":        "<!doctype html>|<meta charset=utf-8>",
	"text":                 "|hello",
	"text like a tag":      "|<he",
	"half an html tag":     "|<htm",
	"half a head tag name": "<html>|<hea",
	"header is no head":    "<html>|<header>x</header>",
	"html5 is no html":     "|<html5>",
	"head in a comment":    "<!-- <head> --><html><head>|",
	"comment of two":       "<!--><head>|",
	"comment of three":     "<!---><head>|",
	"comment with bang":    "<!--a--!><head>|",
	"comment with dashes":  "<!-- a -- b - > --- ><head> -->|<p>",
	"unclosed comment":     "<!-- <head>",
	"doctype with ids":     `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html><head>|`,
	"xml declaration":      `<?xml version="1.0"?><!doctype html><html><head profile="a>b">|<title>`,
	"attribute with >":     `<html data-x="a > <head>" class='>'><head>|`,
	"attribute with quote": `<html data-x=a"b><head>|`,
	"equals as a name":     `<html ="><head>|`,
	"spaces round equals":  `<html lang = "a>b" ><head >|`,
	"slash":                `<html/><head/>|<p>`,
	"slash in a value":     `<html a=/"><head>|`,
	"name with a slash":    `<html a/="><head>|`,
	"byte order mark":      "\xef\xbb\xbf<!doctype html><head>|",
	"half a mark":          "|\xef\xbbx",
	"script first":         "|<script>var a = '<head>'</script>",
	"end tag":              "|</html>",
	"empty bogus comment":  "<!><head>|",
	"cdata":                "<![CDATA[x]]><head>|",
	"nul":                  "|\x00<head>",
	"frameset":             "<html><head>|</head><frameset>",
	"head within html":     "<html a=b c='d'>  <!-- x -->\n<head\nid=x>|",
	"unclosed head tag":    "<head a='>",
}

func TestInjection(t *testing.T) {
	for name, want := range injections {
		in := strings.Replace(want, "|", "", 1)
		want = strings.Replace(want, "|", testTag, 1)
		for size := 1; size <= len(in)+1; size++ {
			if got := injectInto(t, chunks(in, size)); got != want {
				t.Errorf("%s, in pieces of %d:\n got %q\nwant %q", name, size, got, want)
				break
			}
		}
	}
}

// pieces is a reader that returns one piece at each read.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	return n, nil
}

func chunks(in string, size int) *pieces {
	var p pieces
	for len(in) > 0 {
		n := min(size, len(in))
		p, in = append(p, []byte(in[:n])), in[n:]
	}
	return &p
}

func injectInto(t testing.TB, in io.Reader) string {
	out, err := io.ReadAll(inject(io.NopCloser(in), testTag))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestInjectionHoldsLittle: everything read is passed on at once, except the beginning of an
// unidentified tag.
func TestInjectionHoldsLittle(t *testing.T) {
	for _, in := range []string{"<!-- " + strings.Repeat("x", 100), "<html a='" + strings.Repeat("<head>", 100),
		"<!doctype <he", "<html><he"} {
		s := scanner{tag: []byte(testTag)}
		if out := s.scan(nil, []byte(in)); len(out) < len(in)-6 {
			t.Errorf("%.20q: %d of %d bytes are held", in, len(in)-len(out), len(in))
		}
	}
}

func TestInjectionPassesErrors(t *testing.T) {
	broken := errors.New("broken")
	body := inject(io.NopCloser(io.MultiReader(strings.NewReader("<html><he"), iotest.ErrReader(broken))), testTag)
	out, err := io.ReadAll(body)
	if !errors.Is(err, broken) || string(out) != "<html><he" {
		t.Errorf("got %q and %v", out, err)
	}
}

// FuzzInjection: however the input is cut into reads, the result is the same, and without the tag
// it equals the input.
func FuzzInjection(f *testing.F) {
	for _, in := range injections {
		f.Add([]byte(strings.Replace(in, "|", "", 1)), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		if bytes.Contains(in, []byte(testTag)) {
			return
		}
		got := injectInto(t, chunks(string(in), int(size)+1))
		if whole := injectInto(t, chunks(string(in), len(in)+1)); got != whole {
			t.Fatalf("in pieces %q, whole %q", got, whole)
		}
		if strings.Count(got, testTag) > 1 || strings.Replace(got, testTag, "", 1) != string(in) {
			t.Fatalf("%q became %q", in, got)
		}
	})
}
