package local

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"

	"relevo/internal/fleet/relevo-fleet/store"
)

func open(t *testing.T, o Options) *App {
	t.Helper()
	dir := t.TempDir()
	o.Name, o.State, o.Log = "shop", filepath.Join(dir, "state"), slog.New(slog.NewTextHandler(io.Discard, nil))
	if o.Path == "" {
		o.Path = filepath.Join(dir, "shop")
	}
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func hashOfText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestFetch: bytes come by a command or from a URL, and are accepted only with the right hash and
// signature.
func TestFetch(t *testing.T) {
	t.Parallel()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/shop-1", "/shop-2", "/shop-3":
			io.WriteString(w, "bytes of "+r.URL.Path)
		case "/shop-1.minisig":
			w.Write(minisign.Sign(private, []byte("bytes of /shop-1")))
		case "/shop-2.minisig":
			w.Write(minisign.Sign(foreign, []byte("bytes of /shop-2")))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(web.Close)
	url := web.URL + "/shop-{version}"
	key := public.String()
	for name, c := range map[string]struct {
		options Options
		release store.Release
		want    string // the hash
		err     string
	}{
		"output": {Options{FetchCommand: "printf {version}"},
			store.Release{Version: "7"}, hashOfText("7"), ""},
		"file": {Options{FetchCommand: "printf $RELEVO_FLEET_APP >{file}"},
			store.Release{Version: "7"}, hashOfText("shop"), ""},
		"fails": {Options{FetchCommand: "echo no such release >&2; exit 3"},
			store.Release{Version: "7"}, "", "exit status 3: no such release"},
		"nothing":    {Options{FetchCommand: "true"}, store.Release{Version: "7"}, "", "has written nothing"},
		"no command": {Options{}, store.Release{Version: "7"}, "", "this machine has no command for that"},
		"wrong hash": {Options{FetchCommand: "printf 7"},
			store.Release{Version: "7", SHA256: hashOfText("8")}, "", "its sha256 is"},
		"URL": {Options{},
			store.Release{Version: "1", URL: url, SHA256: hashOfText("bytes of /shop-1")}, hashOfText("bytes of /shop-1"), ""},
		"no such URL": {Options{}, store.Release{Version: "9", URL: url}, "", "/shop-9 answers 404"},
		"signed": {Options{Minisign: key},
			store.Release{Version: "1", URL: url}, hashOfText("bytes of /shop-1"), ""},
		"another key": {Options{Minisign: key},
			store.Release{Version: "2", URL: url}, "", "does not fit this machine's key"},
		"no signature": {Options{Minisign: key},
			store.Release{Version: "3", URL: url}, "", "cannot get its signature"},
		"no way to a signature": {Options{Minisign: key, FetchCommand: "printf 7"},
			store.Release{Version: "7"}, "", "give the command that prints it"},
		"by a command": {Options{Minisign: key, SignatureCommand: "curl -fsS " + web.URL + "/shop-{version}.minisig"},
			store.Release{Version: "1", URL: url}, hashOfText("bytes of /shop-1"), ""},
	} {
		a := open(t, c.options)
		got, err := a.Fetch(t.Context(), c.release)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		left, _ := os.ReadDir(a.releases())
		if names := len(left); c.want == "" && names != 0 || c.want != "" && names != 1 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
}

// TestForeignBytes: bytes that were put in place by other means have no version, and are kept before
// they are replaced.
func TestForeignBytes(t *testing.T) {
	t.Parallel()
	a := open(t, Options{FetchCommand: "printf {version}"})
	write := func(text string) {
		if err := os.WriteFile(a.Path, []byte(text), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	hash, err := a.Fetch(t.Context(), store.Release{Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	was := kept(a.Runs())
	if was.Version != "" || was.SHA256 != hashOfText("old") {
		t.Fatalf("%+v", was)
	}
	for _, err := range []error{a.keep(was), a.place(hash), a.became(was, kept{"1", hash, 4}, mark{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(a.Path)
	if now := a.Runs(); err != nil || now.Version != "1" || now.Deploy != 4 || info.Mode().Perm() != 0o750 {
		t.Errorf("%+v, mode %v, %v", now, info.Mode(), err)
	}
	if again, err := Open(a.Options); err != nil || again.Runs().Version != "1" || again.known.Before != was {
		t.Errorf("after a restart: %+v, %v", again.known, err)
	}
	write("by hand")
	if now := a.Runs(); now.Version != "" || now.Deploy != 0 {
		t.Errorf("changed by hand: %+v", now)
	}
	if err := a.place(was.SHA256); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(a.Path); string(text) != "old" {
		t.Errorf("after the rollback the file is %q", text)
	}
}

// TestUnreadable: if the agent cannot read what it remembers, it does not overwrite it.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	if err := os.WriteFile(a.file(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(a.Options); err == nil || !strings.Contains(err.Error(), "to start over") {
		t.Errorf("%v", err)
	}
}
