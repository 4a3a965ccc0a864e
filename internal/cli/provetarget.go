package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/internal/prove"
	"relevo/pool"
	"relevo/pool/machine"
)

// guessURL assumes HTTP on the first listener, which is right for most apps.
func (c *cli) guessURL(ctx context.Context, client *control.Client) (string, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, l := range status.Listeners {
		if phrase.IsUnix(l.Address) {
			return phrase.URL(l.Address, ""), nil
		}
		if _, _, err := net.SplitHostPort(l.Address); err == nil {
			return phrase.URL(l.Address, "127.0.0.1") + "/", nil
		}
	}
	return "", usage(errors.New("cannot guess what to load: the app has no listener; give --url"))
}

// leftSince returns what was counted between two looks; nil if that is nothing.
func leftSince(before, after pool.Connections) *prove.Left {
	left := after.Minus(before)
	if left.String() == (pool.Connections{}).String() {
		return nil
	}
	return &prove.Left{Finished: left.Finished, HandedOver: left.HandedOver, Rescued: left.Rescued, Cut: left.Cut,
		Why: left.Why, Text: left.String()}
}

// proveTarget gives package prove access to a master over its control socket.
type proveTarget struct{ client *control.Client }

func (t *proveTarget) Workers(ctx context.Context) ([]prove.Worker, error) {
	status, err := t.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	var workers []prove.Worker
	for _, w := range status.Workers {
		if w.ID != "" {
			workers = append(workers, prove.Worker{ID: w.ID, Slot: w.Slot, PID: w.PID, Generation: w.Generation, State: w.State})
		}
	}
	return workers, nil
}

func (t *proveTarget) Roll(ctx context.Context) (prove.Roll, error) {
	result, err := t.client.Reload(ctx, control.ReloadOptions{})
	if err != nil {
		return prove.Roll{}, err
	}
	return prove.Roll{Replaced: result.Replaced, OK: result.Result == machine.OK, Reason: result.Reason}, nil
}

func (t *proveTarget) Signal(ctx context.Context, workerID string, sig syscall.Signal) error {
	_, err := t.client.Signal(ctx, pool.Target{ID: workerID}, fmt.Sprint(int(sig)))
	return err
}
