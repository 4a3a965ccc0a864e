//go:build !linux

package listeners

import (
	"fmt"
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
func closeSeat(file *os.File) error               { return file.Close() }
func attach(*os.File, []bpf.RawInstruction) error { return unsupported() }
func detach(*os.File) error                       { return unsupported() }
func setOption(*os.File, Option) error            { return unsupported() }
func getOption(*os.File, Option) (Option, bool)   { return Option{}, false }
