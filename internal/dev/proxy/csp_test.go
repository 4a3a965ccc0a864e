package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPolicies(t *testing.T) {
	const path = "localhost:7331/__relevo/"
	for name, c := range map[string]struct {
		in, want []string
		nonce    string
	}{
		"nothing governs": {in: []string{"img-src x"}, want: []string{"img-src x"}},
		"self": {in: []string{"default-src 'self'; object-src 'none'"},
			want: []string{"default-src 'self'; object-src 'none'"}},
		"nonce reused": {
			in:    []string{"script-src 'nonce-aBc+/9==' 'strict-dynamic'; connect-src 'self'"},
			want:  []string{"script-src 'nonce-aBc+/9==' 'strict-dynamic'; connect-src 'self'"},
			nonce: "aBc+/9==",
		},
		"nothing allowed": {
			in:   []string{"default-src 'none'"},
			want: []string{"default-src 'none'; script-src-elem " + path + "; connect-src " + path},
		},
		"default stays as narrow": {
			in: []string{"Default-Src https://a 'unsafe-inline'"},
			want: []string{"Default-Src https://a 'unsafe-inline'; script-src-elem https://a 'unsafe-inline' " + path +
				"; connect-src https://a 'unsafe-inline' " + path},
		},
		"no nonce beside unsafe-inline": {
			in:   []string{"script-src 'unsafe-inline' https://cdn"},
			want: []string{"script-src 'unsafe-inline' https://cdn " + path},
		},
		"two policies, one nonce": {
			in:    []string{"script-src 'nonce-one'; connect-src *, script-src 'nonce-two'"},
			want:  []string{"script-src 'nonce-one'; connect-src *", "script-src 'nonce-two' " + path},
			nonce: "one",
		},
		"element directive governs": {
			in:    []string{"script-src 'self'; script-src-elem 'nonce-e'; default-src 'none'"},
			want:  []string{"script-src 'self'; script-src-elem 'nonce-e'; default-src 'none'; connect-src " + path},
			nonce: "e",
		},
		"connect none": {in: []string{"connect-src 'none'"}, want: []string{"connect-src " + path}},
	} {
		for _, header := range []string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"} {
			h := http.Header{header: c.in}
			if got := admitClient(h, "localhost:7331"); got != c.nonce {
				t.Errorf("%s: nonce %q, want %q", name, got, c.nonce)
			}
			if diff := cmp.Diff(c.want, h.Values(header)); diff != "" {
				t.Errorf("%s, %s: %s", name, header, diff)
			}
		}
	}
}

// TestStrictDynamicWithoutNonce: a policy that allows scripts by hash gets a nonce of ours.
func TestStrictDynamicWithoutNonce(t *testing.T) {
	h := http.Header{"Content-Security-Policy": {"script-src 'sha256-x' 'strict-dynamic'"}}
	nonce := admitClient(h, "localhost:1")
	want := "script-src 'sha256-x' 'strict-dynamic' 'nonce-" + nonce + "'"
	if got := h.Get("Content-Security-Policy"); nonce == "" || got != want {
		t.Errorf("got %s", got)
	}
}

// TestPathSource: the host comes from the client, and must not be able to add policies.
func TestPathSource(t *testing.T) {
	for host, want := range map[string]string{
		"a.test:80": "a.test:80/__relevo/", "[::1]:80": "'self'", "a;script-src *": "'self'", "a b": "'self'", "": "'self'",
	} {
		if got := pathSource(host); got != want {
			t.Errorf("%q: %s", host, got)
		}
	}
}

func TestElementIsEscaped(t *testing.T) {
	if got := element(`"><b>`, `"x`); strings.Contains(got, "<b>") || strings.Contains(got, `""x`) {
		t.Error(got)
	}
}
