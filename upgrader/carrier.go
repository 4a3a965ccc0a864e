package upgrader

import (
	"os"
	"runtime"
	"strconv"

	"github.com/cloudflare/tableflip"

	"relevo/config"
)

// Carrier keeps named files across a succession.
type Carrier interface {
	// File returns a copy of the file inherited under the name, nil if none was.
	File(name string) (*os.File, error)
	// AddFile keeps a copy of the file for the next master, in place of one that
	// has the name.
	AddFile(name string, file *os.File) error
	// Drop lets go of a file. Its copy may stay open for a moment.
	Drop(name string) error
}

// flipTable is tableflip's Fds, which can replace a file but not remove one.
type flipTable struct{ *tableflip.Upgrader }

// Drop puts /dev/null in the file's place. Nothing closes the old copy but the
// garbage collector.
func (t flipTable) Drop(name string) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	err = t.AddFile(name, null)
	runtime.GC()
	return err
}

// carrierName is canonical: the same socket is found again whatever else the
// configuration says about it.
func carrierName(w config.Listen) string {
	return "listener " + w.Name + " " + string(w.Network) + " " + w.Address
}

// vacantName is carrierName, or a variant where a listener that was renamed
// still has it. It holds u.mu.
func (u *Upgrader) vacantName(w config.Listen) string {
	taken := map[string]bool{}
	for _, l := range u.all() {
		taken[l.carried] = true
	}
	name := carrierName(w)
	for n := 2; taken[name]; n++ {
		name = carrierName(w) + " " + strconv.Itoa(n)
	}
	return name
}

// Carried is the listener's name in the carrier. It stays when the listener is
// renamed: a copy of a socket in use cannot be made again without the runtime
// polling it.
func (l *Listener) Carried() string { return l.carried }
