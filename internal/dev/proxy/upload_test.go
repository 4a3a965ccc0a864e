package proxy

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestLargeUpload(t *testing.T) {
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
	})
	sent := sha256.New()
	const size = 64 << 20
	body := io.TeeReader(io.LimitReader(rand.Reader, size), sent)
	res, err := client(t).Post(p.URL(), "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, want := text(t, res), fmt.Sprintf("%d %x <nil>", size, sent.Sum(nil)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestForms(t *testing.T) {
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", r.FormValue("a"), r.PostFormValue("b"), r.URL.RawQuery)
	})
	res := ask(t, "POST", p.URL()+"/?a=1;x&c=%zz", "b=2&a=3", "Content-Type", "application/x-www-form-urlencoded")
	if got := text(t, res); got != "3 2 a=1;x&c=%zz" {
		t.Error(got)
	}
}

// TestRefusedUpload: the early answer of an app that refuses an upload arrives, and the upload
// ends.
func TestRefusedUpload(t *testing.T) {
	p := proxied(t, fixed(http.StatusRequestEntityTooLarge, "no"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nbegin")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%v, %v", res, err)
	}
}

// TestConversation: an app may answer before the request has ended.
func TestConversation(t *testing.T) {
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = control.Flush()
			if err != nil {
				return
			}
		}
	})
	in, out := io.Pipe()
	go func() { _, _ = io.WriteString(out, "one") }()
	res, err := client(t).Post(p.URL(), "text/plain", in)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, word := range []string{"one", "two", "three"} {
		got := make([]byte, len(word))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != word {
			t.Fatalf("%q, %v", got, err)
		}
		if next := map[string]string{"one": "two", "two": "three"}[word]; next != "" {
			_, _ = io.WriteString(out, next)
		}
	}
	out.Close()
	if rest := text(t, res); rest != "" {
		t.Errorf("%q is left", rest)
	}
}

// TestExpectContinue: the app decides whether the client sends the body.
func TestExpectContinue(t *testing.T) {
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.Header.Get("Expect"), body)
	})
	if got := text(t, ask(t, "PUT", p.URL(), "body", "Expect", "100-continue")); got != "100-continue body" {
		t.Error(got)
	}
}

// TestRequestLine: the request's target arrives exactly as it was sent.
func TestRequestLine(t *testing.T) {
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s|%s|%s|%s", r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-For"),
			r.Header.Get("X-Forwarded-Proto"), r.UserAgent())
	})
	for _, target := range []string{"//a%2fb/../c;d?x=1;y=%zz&", "/a?", "/%E4%BD%A0/.", "/__relevo"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "REPORT %s HTTP/1.1\r\nHost: My.test\r\nX-Forwarded-For: 1.2.3.4\r\n"+
			"X-Forwarded-Proto: https\r\n\r\n", target)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := text(t, res), "REPORT "+target+" My.test|1.2.3.4, 127.0.0.1|https|"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
