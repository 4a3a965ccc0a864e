//go:build !linux

package seats

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/net/bpf"
)

func unsupported() error {
	return fmt.Errorf("cannot give workers sockets of their own on %s: %w", runtime.GOOS, ErrUnsupported)
}

func examine(*os.File) (where, error)             { return where{}, unsupported() }
func openSeat(where, string) (*os.File, error)    { return nil, unsupported() }
func setNonblock(*os.File, bool) error            { return unsupported() }
func listen(*os.File, int) error                  { return unsupported() }
func queueLength(*os.File) int                    { return 0 }
func underWay(where) (handshakes, error)          { return nil, unsupported() }
func listening(*os.File) bool                     { return false }
func closeSeat(file *os.File) error               { return file.Close() }
func attach(*os.File, []bpf.RawInstruction) error { return unsupported() }
func detach(*os.File) error                       { return unsupported() }
func setOption(*os.File, Option) error            { return unsupported() }
func getOption(*os.File, Option) (Option, bool)   { return Option{}, false }

type client struct {
	file           *os.File
	source, target netip.AddrPort
}

func openClient(where) (*client, error)    { return nil, unsupported() }
func (*client) connect() error             { return unsupported() }
func (*client) look() (stage, error)       { return connecting, unsupported() }
func (*client) serverSide() (stage, error) { return connecting, unsupported() }
func (*client) shutdown()                  {}
func (*client) polled() (*os.File, error)  { return nil, unsupported() }
func deferAccept(*os.File, int) int        { return 0 }

func rebind(*os.File, where) error         { return unsupported() }
func marked(*os.File) bool                 { return false }
func replace(_, _ *os.File) error          { return unsupported() }
func shutdownSeat(*os.File) error          { return unsupported() }
func queueLimit(*os.File) int              { return 0 }
func dropped(*os.File) uint32              { return 0 }
func minHops(*os.File, bool) (int, error)  { return 0, unsupported() }
func setMinHops(*os.File, bool, int) error { return unsupported() }
func (*client) hops(int) error             { return unsupported() }

func refuseWaiting(*os.File) error { return unsupported() }

func share(*os.File) error { return unsupported() }

type diag struct{}

func openDiag() (diag, error)                 { return diag{}, unsupported() }
func (diag) close()                           {}
func (diag) underWay(handshake) (bool, error) { return false, unsupported() }

func follow(Option) []Option                        { return nil }
func connections(where, func(netip.AddrPort)) error { return unsupported() }
