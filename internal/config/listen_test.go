package config

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestParseListen(t *testing.T) {
	full := strings.Repeat("x", maxSocketPath)
	for text, want := range map[string]Listen{
		":8080":                 {Network: TCP, Address: ":8080"},
		"8080":                  {Network: TCP, Address: ":8080"},
		"0":                     {Network: TCP, Address: ":0"},
		"127.0.0.1:0":           {Network: TCP, Address: "127.0.0.1:0"},
		":80,balance=even":      {Network: TCP, Address: ":80", Balance: BalanceEven},
		":80,balance=sticky":    {Network: TCP, Address: ":80", Balance: BalanceSticky},
		"udp:53,balance=shared": {Network: UDP, Address: ":53", Balance: BalanceShared},
		"localhost:80":          {Network: TCP, Address: "localhost:80"},
		"[::1]:80":              {Network: TCP, Address: "[::1]:80"},
		"[fe80::1%eth0]:80":     {Network: TCP, Address: "[fe80::1%eth0]:80"},
		":080":                  {Network: TCP, Address: ":80"},
		"tcp:8080":              {Network: TCP, Address: ":8080"},
		"tcp4:0.0.0.0:80":       {Network: TCP4, Address: "0.0.0.0:80"},
		"tcp6:[::]:80":          {Network: TCP6, Address: "[::]:80"},
		"udp:53":                {Network: UDP, Address: ":53"},
		"udp4:127.0.0.1:53":     {Network: UDP4, Address: "127.0.0.1:53"},
		"udp6:[::1]:53":         {Network: UDP6, Address: "[::1]:53"},
		"unix:/run/a.sock":      {Network: Unix, Address: "/run/a.sock"},
		"unix:/run/../tmp/a":    {Network: Unix, Address: "/tmp/a"},
		"unix:@a":               {Network: Unix, Address: "@a"},
		"unix:@a/../b//c":       {Network: Unix, Address: "@a/../b//c"},
		"x=unix:@a,backlog=2":   {Name: "x", Network: Unix, Address: "@a", Backlog: 2},
		"unix:@" + full:         {Network: Unix, Address: "@" + full},
		"unix:/run/a=b.sock":    {Network: Unix, Address: "/run/a=b.sock"},
		"web=:8080":             {Name: "web", Network: TCP, Address: ":8080"},
		"a.b_c-1=unix:/a":       {Name: "a.b_c-1", Network: Unix, Address: "/a"},
		":80,backlog=16":        {Network: TCP, Address: ":80", Backlog: 16},
		"unix:/a,mode=0660":     {Network: Unix, Address: "/a", Mode: 0o660},
		"u=unix:/a,mode=600":    {Name: "u", Network: Unix, Address: "/a", Mode: 0o600},
		"unix:/a,mode=6,mode=7": {Network: Unix, Address: "/a", Mode: 0o7},
		"unix:/a,backlog=1,,":   {Network: Unix, Address: "/a", Backlog: 1},
		"u=udp:53,blocking":     {Name: "u", Network: UDP, Address: ":53", Blocking: true},
		":80,blocking=true":     {Network: TCP, Address: ":80", Blocking: true},
		":80,blocking=false":    {Network: TCP, Address: ":80"},
	} {
		if got, err := ParseListen(text); err != nil || got != want {
			t.Errorf("ParseListen(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestParseListenMakesPathsAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	l, err := ParseListen("unix:a.sock")
	if err != nil || l.Address != filepath.Join(dir, "a.sock") {
		t.Errorf("unix:a.sock is %q, %v, want it in %s", l.Address, err, dir)
	}
}

func TestParseListenErrors(t *testing.T) {
	abstract := "unix:@" + strings.Repeat("x", maxSocketPath+1)
	const forms = "an address is :PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH"
	long := "unix:/" + strings.Repeat("x", maxSocketPath)
	for text, says := range map[string]string{
		"":                     forms,
		"nonsense":             forms,
		"::1:80":               forms,
		"tcp:":                 forms,
		":65536":               `"65536" is not a port (0 to 65535`,
		":-1":                  `"-1" is not a port`,
		":+80":                 `"+80" is not a port`,
		":http":                `"http" is not a port`,
		":":                    `"" is not a port`,
		"example.com:80":       `"example.com" is neither an IP address nor localhost`,
		"256.0.0.1:80":         `"256.0.0.1" is neither an IP address`,
		"tcp4:[::1]:80":        "::1 is not an IPv4 address",
		"udp6:127.0.0.1:53":    "127.0.0.1 is not an IPv6 address",
		"unix:":                "unix:/run/app.sock",
		"unix:@":               "unix:@app",
		"unix:@a,mode=0660":    "an abstract one has no file",
		abstract:               "the name has 108 bytes, at most 107 are possible",
		long:                   "has 108 bytes, a Unix socket's may have at most 107; use a shorter directory",
		"-x=:80":               `"-x" as a name: letters, digits`,
		"=:80":                 `"" as a name`,
		"a b=:80":              `"a b" as a name`,
		":80,mode=0660":        "mode= is for Unix sockets only",
		"unix:/a,mode=9":       "mode=9 is not an octal file mode such as 0660",
		"unix:/a,mode=1777":    "mode=1777 is not an octal file mode",
		"unix:/a,mode=":        "mode= is not an octal file mode",
		":80,backlog=0":        "backlog=0 is not a number above 0",
		":80,backlog=x":        "backlog=x is not a number above 0",
		"udp:53,backlog=5":     "backlog= is not for UDP",
		":80,reuseport":        `unknown option "reuseport" (mode=0660, backlog=N, balance=HOW and blocking exist)`,
		":80,balance=odd":      "balance=odd is none of auto, shared, even and sticky",
		"udp:53,balance=even":  "balance=even is for TCP",
		"unix:/a,balance=even": "balance=even is for TCP",

		"udp:53,balance=sticky":  "balance=sticky is for TCP",
		"unix:/a,balance=sticky": "balance=sticky is for TCP: a Unix socket or UDP is shared",
		":80,mode=1,what=ever":   "mode= is for Unix sockets only",
	} {
		l, err := ParseListen(text)
		wantCannot(t, err, "cannot listen on "+strconv.Quote(text), says)
		if l != (Listen{}) {
			t.Errorf("ParseListen(%q) = %+v beside its error", text, l)
		}
	}
}

func TestNameListeners(t *testing.T) {
	all := []Listen{{}, {Name: "web"}, {}, {}}
	NameListeners(all)
	for i, want := range []string{"listen", "web", "listen2", "listen3"} {
		if all[i].Name != want {
			t.Errorf("listener %d is named %q, want %q", i, all[i].Name, want)
		}
	}
}

func TestSameSocket(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{":80", "[::]:80"}: true, {"tcp4::80", "0.0.0.0:80"}: true, {"localhost:80", "tcp4:127.0.0.1:80"}: true,
		{"127.0.0.1:80", "tcp4:127.0.0.1:80"}:  true,
		{"tcp6:localhost:80", "tcp6:[::1]:80"}: true, {"unix:/a", "unix:/a,mode=0600"}: true, {"udp:53", "udp:[::]:53"}: true,
		{":80", "0.0.0.0:80"}: false, {":80", "tcp6::80"}: false, {":80", ":81"}: false, {":80", "udp:80"}: false,
		{"unix:/a", "unix:@a"}: false,
	} {
		var both [2]Listen
		for i, text := range pair {
			l, err := ParseListen(text)
			if err != nil {
				t.Fatal(err)
			}
			both[i] = l
		}
		if got := both[0].SameSocket(both[1]); got != want {
			t.Errorf("%s and %s: %v, want %v", pair[0], pair[1], got, want)
		}
	}
}

func TestSocketNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"0.0.0.0:80": "tcp4", "127.0.0.1:80": "tcp4", "tcp4::80": "tcp4", "udp:0.0.0.0:53": "udp4",
		"[::ffff:127.0.0.1]:80": "tcp4",
		":80":                   "tcp", "[::]:80": "tcp", "[::1]:80": "tcp", "localhost:80": "tcp", "udp:53": "udp",
		"tcp6:[::]:80": "tcp6",
		"unix:/a":      "unix",
	} {
		l, err := ParseListen(text)
		if got := l.SocketNetwork(); err != nil || got != want {
			t.Errorf("%s gets a socket of %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestDatagram(t *testing.T) {
	for _, network := range []Network{TCP, TCP4, TCP6, UDP, UDP4, UDP6, Unix} {
		want := network == UDP || network == UDP4 || network == UDP6
		if got := (Listen{Network: network}).Datagram(); got != want {
			t.Errorf("%s: Datagram is %v", network, got)
		}
	}
}

// FuzzParseListen: whatever is accepted has a form that bind(2) can take, and is
// read the same way again.
func FuzzParseListen(f *testing.F) {
	for _, seed := range []string{
		":8080", "web=127.0.0.1:0", "[::1]:80", "unix:/a=b,mode=0660", "udp6:[::1]:53", "u=unix:x,backlog=3",
		":80,balance=even", "unix:@x", "tcp4::", "=,=,",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseListen(text)
		if err != nil {
			wantCannot(t, err, "cannot listen on ")
			return
		}
		if l.Name != "" && CheckName(l.Name) != nil {
			t.Errorf("%q: accepted the name %q", text, l.Name)
		}
		if l.Network == Unix {
			if !l.Abstract() && !filepath.IsAbs(l.Address) || len(l.Address) > maxSocketPath {
				t.Errorf("%q: accepted the path %q", text, l.Address)
			}
		} else if _, port, err := net.SplitHostPort(l.Address); err != nil {
			t.Errorf("%q: accepted the address %q: %v", text, l.Address, err)
		} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
			t.Errorf("%q: accepted the port %q", text, port)
		}
		if strings.ContainsAny(l.Address, ",") {
			return // only a working directory can bring a comma in
		}
		again, err := ParseListen(l.String())
		if err != nil || again.Network != l.Network || again.Address != l.Address {
			t.Errorf("%q: String gives %q, which reads as %+v, %v", text, l, again, err)
		}
	})
}
