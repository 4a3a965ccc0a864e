package master

import (
	"context"
	"errors"
	"testing"
	"time"

	"relevo/internal/succession"
	"relevo/pool"
	"relevo/pool/pooltest"
	"relevo/upgrader"
)

// TestStopBesideThaw: a stop signal that finds the pool handed over is not forgotten if the
// replacement of the master fails at that very moment.
func TestStopBesideThaw(t *testing.T) {
	m := beginner(t)
	served := pool.New(pool.Options{App: "web", Workers: 1, Release: pooltest.NewRelease("v1", pooltest.Obedient)})
	m.stage.use(served)
	ended := make(chan error, 1)
	go func() { ended <- served.Run(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	between := &between{estate{m}, make(chan struct{}), make(chan struct{})}
	m.succession = succession.New(succession.Options{Log: m.log, Estate: between, Signals: m.signals,
		Failed: func(string) {}, Arrival: &succession.Arrival{}})
	go m.succession.Replace(succession.Tableflip, "")
	<-between.frozen
	m.loop.stopAs("terminated", false) // after thaw has checked for requested stops
	close(between.goOn)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("the stop was forgotten")
	}
	m.later.Wait()
	m.loop.outside.Wait()
}

// between is an estate between the freeze and a thaw that has already checked for requested stops.
type between struct {
	estate
	frozen, goOn chan struct{}
}

func (b *between) Bequeath(pool.Legacy, string) (l upgrader.Legacy, done func(), err error) {
	close(b.frozen)
	<-b.goOn
	return l, func() {}, errors.New("nothing can be left")
}

func (b *between) Thaw() { b.m.report(b.m.running().Thaw()) }
