package procnet

import (
	"net"
	"net/netip"
	"os"
	"testing"
)

func TestOwnSockets(t *testing.T) {
	for _, datagram := range []bool{false, true} {
		address := ""
		if datagram {
			conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			address = conn.LocalAddr().String()
		} else {
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			address = listener.Addr().String()
		}
		found := false
		for _, s := range Waiting(datagram) {
			if s.AddrPort == netip.MustParseAddrPort(address) {
				pid, name := Holder(s.Inode)
				found = pid == os.Getpid() && name != "" && Inodes(pid)[s.Inode]
			}
		}
		if !found {
			t.Errorf("%s is not found, or not as one of this process", address)
		}
	}
}
