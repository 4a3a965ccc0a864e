package capture

import (
	"encoding/binary"
	"syscall"
	"testing"
)

func sockaddr(family uint16, rest ...byte) []byte {
	return append(binary.NativeEndian.AppendUint16(nil, family), rest...)
}

func TestParseAddress(t *testing.T) {
	v4 := sockaddr(syscall.AF_INET, 0x0b, 0xb8, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
	v6 := sockaddr(syscall.AF_INET6, append([]byte{0x0b, 0xb8, 0, 0, 0, 0}, append(make([]byte, 15), 1, 0, 0, 0, 0)...)...)
	tests := []struct {
		name   string
		raw    []byte
		want   string // empty: an error
		server bool
	}{
		{"IPv4", v4, "127.0.0.1:3000", true},
		{"IPv4 with more behind it", append(v4, 1, 2, 3), "127.0.0.1:3000", true},
		{"IPv6", v6, "[::1]:3000", true},
		{"IPv6 without a scope", v6[:24], "[::1]:3000", true},
		{"port 0", sockaddr(syscall.AF_INET, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), "127.0.0.1:0", false},
		{"a path", sockaddr(syscall.AF_UNIX, append([]byte("/run/a.sock"), 0, 'x')...), "unix:/run/a.sock", true},
		{"a path without its end", sockaddr(syscall.AF_UNIX, []byte("/run/a.sock")...), "unix:/run/a.sock", true},
		{"abstract", sockaddr(syscall.AF_UNIX, 0, 'a', 0, 'b'), "unix:@a\x00b", true},
		{"autobind", sockaddr(syscall.AF_UNIX), "unix:", false},
		{"IPv4 cut short", v4[:15], "", false},
		{"IPv6 cut short", v6[:23], "", false},
		{"an unknown family", sockaddr(200, make([]byte, 10)...), "", false},
		{"one byte", []byte{2}, "", false},
		{"nothing", nil, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseAddress(test.raw)
			if err != nil {
				if test.want != "" {
					t.Fatal(err)
				}
				return
			}
			if got.String() != test.want || got.Server() != test.server {
				t.Errorf("%q, server %v; want %q, %v", got, got.Server(), test.want, test.server)
			}
		})
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add(sockaddr(syscall.AF_INET6, make([]byte, 26)...))
	f.Add(sockaddr(syscall.AF_UNIX, 0, 'a'))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if a, err := parseAddress(raw); err == nil {
			_ = a.String()
		}
	})
}
