package cli

import (
	"context"
	"io"
	"net"
	"os"
	"testing"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
)

// TestMonitDoesNotWait: a master that does not answer delays neither the view of other apps nor the
// next look.
func TestMonitDoesNotWait(t *testing.T) {
	emptyPlaces(t)
	c := &cli{getenv: os.Getenv, places: config.FindPlaces(os.Getenv, os.Geteuid(), config.UsableDir)}
	(&standIn{status: control.Status{Name: "web", Status: pool.Status{State: "running"}}}).serve(t, "web")
	stuck, err := net.Listen("unix", c.places.ControlSocket("stuck"))
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	givenUp := make(chan struct{}) // closed when the first request to the stuck master ends
	go func() {
		defer close(givenUp)
		if conn, err := stuck.Accept(); err == nil {
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	viewer, wait := c.watcher(ctx)
	defer func() { cancel(); wait() }()
	for seen := 0; seen < 2; {
		view, err := viewer.Look(ctx)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-givenUp:
			t.Fatal("a look has waited until the question was given up")
		default:
		}
		if a := view.Find("stuck"); a == nil || a.State != apps.Silent {
			t.Errorf("the stuck app is %+v", a)
		}
		if a := view.Find("web"); a != nil && a.Status != nil {
			seen++ // on a busy machine it may be late
		}
	}
}
