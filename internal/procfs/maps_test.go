package procfs

import (
	"slices"
	"testing"
)

// TestParseMappings: code and constants of the program are found, and nothing that is, or was, written to.
func TestParseMappings(t *testing.T) {
	const text = `00400000-00dbd000 r-xp 00000000 fe:00 10002479                           /opt/a b/relevo
Rss:                 960 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
00dbd000-01810000 r--p 009bd000 fe:00 10002479                           /opt/a b/relevo
Anonymous:             0 kB
01810000-018f6000 r--p 01410000 fe:00 10002479                           /opt/a b/relevo
Anonymous:            40 kB
AnonHugePages:         0 kB
018f6000-01900000 rw-p 01410000 fe:00 10002479                           /opt/a b/relevo
Anonymous:             0 kB
01900000-03b5e000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
7f14c96cc000-7f14c9822000 r-xp 00026000 fe:00 326269                     /usr/lib/libc.so.6
Anonymous:             0 kB
7fff0000-zzz r-xp 00026000 fe:00 326269                     /opt/a b/relevo
Anonymous:             0 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
Anonymous:             0 kB
`
	want := []Mapping{{0x400000, 0xdbd000}, {0xdbd000, 0x1810000}}
	if got := parseMappings(text, "/opt/a b/relevo"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
