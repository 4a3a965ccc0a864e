package phrase

import "testing"

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 workers": Count(0, "worker"), "1 worker": Count(1, "worker"), "2 workers": Count(2, "worker"),
		"1 copy": Count(1, "copy"), "0 copies": Count(0, "copy"), "3 directories": Count(3, "directory"),
		"1 process": Count(1, "process"), "2 processes": Count(2, "process"),
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
		":8080":            "http://localhost:8080",
		":80":              "http://localhost",
		"[::]:80":          "http://localhost",
		"0.0.0.0:443":      "http://localhost:443",
		"127.0.0.1:3000":   "http://127.0.0.1:3000",
		"[::1]:3000":       "http://[::1]:3000",
		"192.0.2.1:80":     "http://192.0.2.1",
		"192.0.2.1:8080":   "http://192.0.2.1:8080",
		"[2001:db8::1]:80": "http://[2001:db8::1]",
		"shop.test":        "http://shop.test",
		"/run/shop.sock":   "unix:/run/shop.sock",
		"/run/a:80":        "unix:/run/a:80",
		"@shop":            "unix:@shop",
	} {
		if got := URL(address, "localhost"); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
}

func TestReachable(t *testing.T) {
	for _, c := range [...]struct{ address, self, want string }{
		{"0.0.0.0:80", "127.0.0.1", "127.0.0.1:80"},
		{"[::]:80", "127.0.0.1", "127.0.0.1:80"},
		{"[::]:80", "::1", "[::1]:80"},
		{"[::]:80", "localhost", "localhost:80"},
		{":3000", "127.0.0.1", "127.0.0.1:3000"},
		{"127.0.0.1:3000", "localhost", "127.0.0.1:3000"},
		{"[fe80::1%eth0]:80", "localhost", "[fe80::1%eth0]:80"},
		{"/run/shop.sock", "localhost", "/run/shop.sock"},
		{"/run/::80", "localhost", "/run/::80"},
		{"@shop:80", "localhost", "@shop:80"},
	} {
		if got := Reachable(c.address, c.self); got != c.want {
			t.Errorf("%s is reached at %s, want %s", c.address, got, c.want)
		}
	}
}
