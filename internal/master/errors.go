package master

import (
	"errors"
	"fmt"

	"relevo/internal/control"
	"relevo/pool"
)

// errWaiting is returned by requests that need a worker before one exists.
var errWaiting = control.WithExit(
	errors.New("cannot do that: no worker has started yet; relevo status shows what the master waits for"),
	control.ExitBusy)

// errStopped ends a wait because a stop was requested.
var errStopped = errors.New("stopped while waiting for something to start")

func stoppedEarly(err error) error {
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

func rollRefused(err error) error {
	return &control.Refusal{Err: control.WithExit(fmt.Errorf("cannot roll: %w", err), control.ExitRollFailed),
		Stays: "the running workers keep serving"}
}

func configRefused(err error) error {
	return &control.Refusal{Err: control.WithExit(err, control.ExitConfig), Stays: "the running configuration stays"}
}

// handedOver says whether the error means that another master takes over.
func handedOver(err error) bool {
	coded := new(control.Error)
	return errors.Is(err, pool.ErrHandedOver) || errors.As(err, &coded) && coded.HandedOver != nil
}
