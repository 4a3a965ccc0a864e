package procnet

import "testing"

func TestCounter(t *testing.T) {
	t.Parallel()
	const text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: ListenOverflows\nIpExt: 4\n"
	for _, test := range []struct {
		text, table, name string
		n                 int
		ok                bool
	}{
		{text, "TcpExt:", "ListenOverflows", 22, true}, {text, "IpExt:", "ListenOverflows", 4, true},
		{text, "TcpExt:", "Other", 0, false}, {text, "UdpExt:", "ListenOverflows", 0, false}, {"", "TcpExt:", "A", 0, false},
		{"TcpExt: A B\nTcpExt: 1\n", "TcpExt:", "B", 0, false}, {"TcpExt: A\nTcpExt: x\n", "TcpExt:", "A", 0, false},
	} {
		if n, ok := counter(test.text, test.table, test.name); n != test.n || ok != test.ok {
			t.Errorf("%s of %s in %q is %d, %v", test.name, test.table, test.text, n, ok)
		}
	}
}
