package cli

import "testing"

// TestTokenCommand: the command that prints the address of a page names the page's address, unless
// that is the default.
func TestTokenCommand(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:9615": "relevo web --token",
		"127.0.0.1:8000": "relevo web --token --listen 127.0.0.1:8000",
		":9615":          "relevo web --token --listen :9615",
		"[::1]:9615":     "relevo web --token --listen '[::1]:9615'",
	} {
		if got := tokenCommand(address); got != want {
			t.Errorf("of %s: %s, want %s", address, got, want)
		}
	}
}
