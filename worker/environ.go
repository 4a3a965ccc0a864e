package worker

import (
	"fmt"
	"strconv"
	"strings"

	"relevo/internal/ipc"
)

// firstFD is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstFD = 3

// place is what the environment says about this process.
type place struct {
	managed    bool // a master started it
	identified bool // and that master is relevo
	self       Self
	names      []string // of the inherited sockets, in the order of their descriptors
	channelFD  int      // -1: there is none
	notify     string   // the address of the notify socket, "": there is none
	stranger   string   // LISTEN_PID, if the variables are meant for another process
}

// readPlace reads the variables of systemd's and relevo's protocols. They count
// only for the process that LISTEN_PID names: a worker's own children inherit its
// environment, but not its sockets.
func readPlace(getenv func(string) string, pid int) (place, error) {
	p := place{channelFD: -1}
	meant := getenv("LISTEN_PID")
	if meant != "" && meant != strconv.Itoa(pid) {
		p.stranger = meant
		return p, nil
	}
	p.notify = getenv("NOTIFY_SOCKET")
	var err error
	if meant != "" && getenv("LISTEN_FDS") != "" {
		p.names, err = readNames(getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES"))
	}
	if id := getenv(ipc.EnvWorker); id != "" && err == nil {
		p.identified = true
		p.self = Self{Name: getenv(ipc.EnvName), ID: id}
		p.self.Slot, err = number(getenv, ipc.EnvSlot, err)
		p.self.Generation, err = number(getenv, ipc.EnvGeneration, err)
		if getenv(ipc.EnvFD) != "" {
			p.channelFD, err = number(getenv, ipc.EnvFD, err)
		}
	}
	p.managed = p.identified || len(p.names) > 0 || err != nil
	return p, err
}

// readNames returns one name for each descriptor. systemd leaves the names out
// where none is set, so missing ones are empty.
func readNames(count, list string) ([]string, error) {
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("cannot read LISTEN_FDS=%q: not a number of descriptors", count)
	}
	names := make([]string, n)
	copy(names, strings.Split(list, ":"))
	return names, nil
}

// number passes an earlier error on, so that the first one is reported.
func number(getenv func(string) string, key string, earlier error) (int, error) {
	n, err := strconv.Atoi(getenv(key))
	switch {
	case earlier != nil:
		return n, earlier
	case err != nil || n < 0:
		return -1, fmt.Errorf("cannot read %s=%q: not a number", key, getenv(key))
	}
	return n, nil
}
