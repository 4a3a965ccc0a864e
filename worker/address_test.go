package worker

import (
	"net"
	"path/filepath"
	"testing"
)

func TestSameAddr(t *testing.T) {
	here, err := filepath.Abs("web.sock")
	if err != nil {
		t.Fatal(err)
	}
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	for _, c := range []struct {
		have          net.Addr
		network, want string
		same          bool
	}{
		{tcp("::", 8080), "tcp", ":8080", true},
		{tcp("0.0.0.0", 8080), "tcp", ":8080", true},
		{tcp("0.0.0.0", 8080), "tcp", "[::]:8080", true},
		{tcp("::", 8080), "tcp", "0.0.0.0:8080", true},
		{tcp("::", 80), "tcp", ":http", true},
		{tcp("127.0.0.1", 8080), "tcp", "127.0.0.1:8080", true},
		{tcp("::ffff:127.0.0.1", 8080), "tcp", "127.0.0.1:8080", true},
		{tcp("127.0.0.1", 8080), "tcp", "localhost:8080", true},
		{tcp("127.0.0.1", 8080), "tcp", ":8080", false},
		{tcp("::", 8080), "tcp", "127.0.0.1:8080", false},
		{tcp("127.0.0.2", 8080), "tcp", "127.0.0.1:8080", false},
		{tcp("::", 8081), "tcp", ":8080", false},
		{tcp("::", 8080), "udp", ":8080", false},
		{tcp("::", 0), "tcp", ":0", false},
		{tcp("::", 8080), "tcp", "8080", false},
		{tcp("::", 8080), "tcp", "web", false},
		{&net.UDPAddr{IP: net.IPv6zero, Port: 53}, "udp", ":53", true},
		{&net.UDPAddr{IP: net.IPv6zero, Port: 53}, "tcp", ":53", false},
		{&net.UnixAddr{Name: here, Net: "unix"}, "unix", "web.sock", true},
		{&net.UnixAddr{Name: here, Net: "unix"}, "unix", "./x/../web.sock", true},
		{&net.UnixAddr{Name: here, Net: "unix"}, "tcp", "web.sock", false},
		{&net.UnixAddr{Name: here, Net: "unix"}, "unix", "@web.sock", false},
		{&net.UnixAddr{Name: "@web", Net: "unix"}, "unix", "@web", true},
		{&net.UnixAddr{Name: "", Net: "unix"}, "unix", "", false},
	} {
		if got := sameAddr(c.have, c.network, c.want); got != c.same {
			t.Errorf("sameAddr(%v, %q, %q) = %v", c.have, c.network, c.want, got)
		}
	}
}

func TestFindPrefersNameThenAddressThenTheOnlyOne(t *testing.T) {
	mk := func(name string, stream bool, port int) *socket {
		s := &socket{name: name, stream: stream, addr: &net.TCPAddr{IP: net.IPv6zero, Port: port}}
		if !stream {
			s.addr = &net.UDPAddr{IP: net.IPv6zero, Port: port}
		}
		return s
	}
	web, admin, dns := mk("web", true, 80), mk("admin", true, 81), mk("dns", false, 53)
	two := &sockets{all: []*socket{dns, web, admin}}
	one := &sockets{all: []*socket{web, dns}}
	twins := &sockets{all: []*socket{{name: "u", stream: true, taken: true, addr: web.addr}, mk("u", true, 82)}}
	for _, c := range []struct {
		in      *sockets
		network string
		ask     string
		stream  bool
		want    *socket
	}{
		{two, "tcp", "admin", true, admin},
		{two, "tcp", ":81", true, admin},
		{two, "tcp", ":99", true, nil},
		{two, "udp", "dns", false, dns},
		{two, "udp", "web", false, dns}, // the only one of its kind
		{one, "tcp", ":3000", true, web},
		{one, "tcp", "api", true, web},
		{twins, "tcp", "u", true, twins.all[1]},
		{&sockets{}, "tcp", ":80", true, nil},
	} {
		if got := c.in.find(c.network, c.ask, c.stream); got != c.want {
			t.Errorf("find(%q, %q, %v) = %v, want %v", c.network, c.ask, c.stream, got, c.want)
		}
	}
}
