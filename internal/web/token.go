package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"relevo/internal/safefile"
)

// Token is a file that holds what a client has to show before it may act. It is read each time:
// where the file is removed, and made again, the token before it is worth nothing.
type Token struct{ path string }

// TokenIn is the token of a state directory. No app can have the name of the file.
func TokenIn(stateDir string) Token { return Token{filepath.Join(stateDir, ".web-token")} }

// Make returns the token, and makes one if there is none.
func (t Token) Make() (string, error) {
	text, err := t.read()
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	// 0711: workers of another user run the copies of releases below it.
	if err := safefile.MkdirAll(filepath.Dir(t.path), 0o755, 0o711); err != nil {
		return "", fmt.Errorf("cannot keep a token: %w; RELEVO_STATE_DIR chooses another place", err)
	}
	if err := t.create(); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("cannot keep a token: %w; RELEVO_STATE_DIR chooses another place", err)
	}
	return t.read() // that of another process, if it was first
}

// create makes the file whole or not at all.
func (t Token) create() error {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	file, err := os.CreateTemp(filepath.Dir(t.path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(base64.RawURLEncoding.EncodeToString(secret) + "\n")
	if err = errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Link(file.Name(), t.path)
}

func (t Token) read() (string, error) {
	info, err := os.Lstat(t.path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("cannot trust the token in %s: other users can read it; remove the file, and "+
			"relevo web --token makes another one", t.path)
	}
	text, err := safefile.ReadOwn(t.path, 1<<10)
	token := strings.TrimSpace(string(text))
	if err == nil && len(token) < 32 {
		err = errors.New("it is too short")
	}
	if err != nil {
		return "", fmt.Errorf("cannot use the token in %s: %w; remove the file, and relevo web --token makes another one",
			t.path, err)
	}
	return token, nil
}

// shown is the token that a request has in its headers. A cookie would be sent by any page.
func shown(r *http.Request) string {
	if token := r.Header.Get("Relevo-Token"); token != "" {
		return token
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// right says whether a request has the token.
func (t Token) right(r *http.Request) bool {
	token, err := t.read()
	return err == nil && subtle.ConstantTimeCompare([]byte(token), []byte(shown(r))) == 1
}
