package local

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/fleet/relevo-fleet/store"
	"relevo/internal/testreq"
)

// openssl runs openssl in a directory.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

// newKey makes a key pair as cosign generate-key-pair does, but without a password. It returns the
// public key.
func newKey(t *testing.T, dir, name, curve string) string {
	t.Helper()
	openssl(t, dir, "ecparam", "-name", curve, "-genkey", "-noout", "-out", name)
	openssl(t, dir, "ec", "-in", name, "-pubout", "-out", name+".pub")
	return read(t, filepath.Join(dir, name+".pub"))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sign writes a signature of a file as cosign sign-blob does.
func sign(t *testing.T, dir, key, file, digest string) {
	t.Helper()
	openssl(t, dir, "dgst", digest, "-sign", key, "-out", file+".raw", file)
	put(t, filepath.Join(dir, file+".sig"), base64.StdEncoding.EncodeToString([]byte(read(t, filepath.Join(dir,
		file+".raw"))))+"\n")
}

// TestCosign: a release is accepted only with a signature that matches the key. Otherwise nothing is
// put in place or kept.
func TestCosign(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "openssl")
	dir := t.TempDir()
	public := newKey(t, dir, "own", "prime256v1")
	newKey(t, dir, "foreign", "prime256v1")
	for _, name := range []string{"good", "foreign-key", "changed", "hash", "raw", "cut", "none"} {
		put(t, filepath.Join(dir, name), "bytes of "+name)
	}
	sign(t, dir, "own", "good", "-sha256")
	sign(t, dir, "foreign", "foreign-key", "-sha256")
	sign(t, dir, "own", "changed", "-sha256")
	put(t, filepath.Join(dir, "changed"), "other bytes")
	sign(t, dir, "own", "hash", "-sha384")
	sign(t, dir, "own", "raw", "-sha256")
	put(t, filepath.Join(dir, "raw.sig"), read(t, filepath.Join(dir, "raw.raw")))
	sign(t, dir, "own", "cut", "-sha256")
	put(t, filepath.Join(dir, "cut.sig"), read(t, filepath.Join(dir, "cut.sig"))[:40])

	const refused = "does not fit this machine's key of cosign"
	for version, says := range map[string]string{"good": "", "foreign-key": refused, "changed": refused, "hash": refused,
		"raw": refused, "cut": refused, "none": "cannot get its signature"} {
		a := open(t, Options{Cosign: public, FetchCommand: "cat " + dir + "/{version}",
			SignatureCommand: "cat " + dir + "/{version}.sig"})
		put(t, a.Path, "old")
		hash, err := a.Fetch(t.Context(), store.Release{Version: version})
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v", version, hash, err)
		}
		left, _ := os.ReadDir(a.releases())
		if (len(left) == 0) != (says != "") || read(t, a.Path) != "old" {
			t.Errorf("%s: %v is left, %s in place", version, left, read(t, a.Path))
		}
	}
}

// TestCosignURL: the signature of a release with a URL is beside it.
func TestCosignURL(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "openssl")
	dir := t.TempDir()
	a := open(t, Options{Cosign: newKey(t, dir, "own", "prime256v1")})
	put(t, filepath.Join(dir, "shop-1"), "bytes")
	sign(t, dir, "own", "shop-1", "-sha256")
	put(t, filepath.Join(dir, "shop-2"), "bytes")
	put(t, filepath.Join(dir, "shop-2.sig"), "bytes")
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(web.Close)
	r := store.Release{Version: "1", URL: web.URL + "/shop-{version}", SHA256: hashOfText("bytes")}
	if hash, err := a.Fetch(t.Context(), r); err != nil || hash != r.SHA256 {
		t.Errorf("%q, %v", hash, err)
	}
	r.Version = "2" // the bytes are known, but the signature is wrong
	if hash, err := a.Fetch(t.Context(), r); err == nil {
		t.Errorf("%q is accepted with a wrong signature", hash)
	}
}

// TestKeys: a key that cannot be used is refused when the agent starts.
func TestKeys(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "openssl")
	dir := t.TempDir()
	public, other := newKey(t, dir, "own", "prime256v1"), newKey(t, dir, "other", "secp384r1")
	for name, c := range map[string]struct {
		options Options
		says    string
	}{
		"minisign": {Options{Minisign: "nonsense"}, "cannot read the key of minisign of shop"},
		"no PEM":   {Options{Cosign: "nonsense"}, "it is not in PEM"},
		"secret":   {Options{Cosign: read(t, filepath.Join(dir, "own"))}, "cannot read the key of cosign of shop"},
		"curve":    {Options{Cosign: other}, "it is not one of ECDSA with the curve P-256"},
		"two keys": {Options{Cosign: public, Minisign: "any"}, "with two keys: give minisign or cosign"},
	} {
		c.options.Name, c.options.State = "shop", t.TempDir()
		if _, err := Open(c.options); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
