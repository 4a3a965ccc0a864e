package succession

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/upgrader"
)

// asked passes a legacy to a process that waits at a socket.
type asked struct {
	flip     *upgrader.Flip
	socket   string
	patience time.Duration
}

func (a asked) Pass(l upgrader.Legacy) (int, error) { return a.flip.HandOver(a.socket, l, a.patience) }

func (asked) Become(upgrader.Legacy, func() error, func() []syscall.Signal) error {
	return errors.New("internal error: another process has taken over")
}

// Succeed takes over the app from a master that runs in the background, if there is one: it asks
// for the legacy, and arrives as a successor. If this process has a legacy already, or no master
// runs, it changes nothing.
func (a *Arrival) Succeed(ctx context.Context, places config.Places, name string) error {
	if !a.First() {
		return nil
	}
	client, err := control.Connect(ctx, places.ControlSocket(name))
	if control.ExitCode(err) == control.ExitNotRunning {
		return nil
	}
	if err != nil {
		return err
	}
	in, err := a.ask(ctx, client, filepath.Join(places.Runtime, name+".successor"))
	if control.ExitCode(err) == control.ExitNotRunning {
		return nil // the master has ended meanwhile
	}
	if err != nil {
		return fmt.Errorf("cannot take over from the running master: %w", err)
	}
	left, err := Read(in.Document)
	if err != nil {
		in.Close()
		return err
	}
	if a.In != nil { // it is the legacy of an app that has ended
		a.In.Close()
	}
	a.In, a.Left, a.Way = in, left, Asked
	return nil
}

// ask has a master pass its legacy on to this process.
func (a *Arrival) ask(ctx context.Context, client *control.Client, socket string) (*upgrader.Received, error) {
	meeting, err := upgrader.Meet(socket)
	if err != nil {
		return nil, err
	}
	defer meeting.Close()
	refused := make(chan error, 1)
	// The answer comes when this process has taken over, or failed to.
	go func() {
		if err := client.HandOver(ctx, socket); err != nil {
			refused <- err
			meeting.Close()
		}
	}()
	in, err := meeting.Accept(a.flip)
	if err == nil {
		return in, nil
	}
	select {
	case why := <-refused:
		return nil, why
	default:
		return nil, err
	}
}
