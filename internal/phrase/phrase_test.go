package phrase

import "testing"

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 workers": Count(0, "worker"), "1 worker": Count(1, "worker"), "2 workers": Count(2, "worker"),
		"1 copy": Count(1, "copy"), "0 copies": Count(0, "copy"), "3 directories": Count(3, "directory"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestHash(t *testing.T) {
	for hash, want := range map[string]string{"": "", "abc": "abc", "0123456789abcdef": "0123456789ab"} {
		if got := Hash(hash); got != want {
			t.Errorf("%q is shown as %q, want %q", hash, got, want)
		}
	}
}

func TestURL(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:8080":     "http://localhost:8080",
		"[::]:8080":        "http://localhost:8080",
		"[::]:80":          "http://localhost",
		"192.0.2.1:80":     "http://192.0.2.1",
		"[2001:db8::1]:80": "http://[2001:db8::1]",
		"192.0.2.1:8080":   "http://192.0.2.1:8080",
		"shop.test":        "http://shop.test",
	} {
		if got := URL(address, "localhost"); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
	if got := Reachable("[::]:80", "127.0.0.1"); got != "127.0.0.1:80" {
		t.Errorf("got %s", got)
	}
}
