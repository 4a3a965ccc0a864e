package worker

import (
	"errors"
	"fmt"

	"relevo/internal/ipc"
)

// ErrReserved is returned by Send for an object that has a "relevo" key: such
// objects are the master's protocol.
var ErrReserved = errors.New(`worker: the key "relevo" is reserved`)

// ErrLineTooLong is returned by Send and Status for what is longer than 1 MiB on
// the wire.
var ErrLineTooLong = errors.New("worker: message longer than 1 MiB")

// sendError turns an error of package ipc into one that programs can name.
func sendError(err error) error {
	switch {
	case errors.Is(err, ipc.ErrReserved):
		err = ErrReserved
	case errors.Is(err, ipc.ErrLineTooLong):
		err = ErrLineTooLong
	}
	return fmt.Errorf("cannot send to the master: %w", err)
}
