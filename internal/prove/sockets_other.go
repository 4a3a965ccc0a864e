//go:build !linux

package prove

import (
	"context"
	"errors"
	"net"
)

// Only Linux tells which connections a process holds. Elsewhere a broken connection
// counts as held if it broke soon after a kill.
var errNoProc = errors.New("which connections a worker holds is only known on Linux")

func socketInode(*net.UnixConn) uint64 { return 0 }

func holdings(string, int) (map[peer]struct{}, error) { return nil, errNoProc }

func awaitStopped(context.Context, int) error { return errNoProc }

type handle int

const none handle = -1

func openHandle(int) (handle, error) { return none, errNoProc }

func (h handle) cont() error { return errNoProc }

func (h handle) close() {}
