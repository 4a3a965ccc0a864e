package prove

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tooLong is far more time than anything here takes.
const tooLong = 60 * time.Second

func prove(t *testing.T, o Options) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	setDefault(&o.MinRequests, 1) // however busy the machine is
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, r)
	if t.Failed() || testing.Verbose() {
		text, _ := json.Marshal(r)
		t.Logf("%s", text)
	}
	return r
}

// proveTried runs prove with kills, and runs it again if the machine was too busy for a kill in the
// time of the run.
func proveTried(t *testing.T, o Options) (r Report) {
	t.Helper()
	for began := time.Now(); time.Since(began) < tooLong; {
		if r = prove(t, o); r.Kills.Count+r.Kills.Failed > 0 {
			break
		}
	}
	return r
}

// checkSums makes sure that no request is missing in the report.
func checkSums(t *testing.T, r Report) {
	t.Helper()
	all := []*Figures{&r.Total, r.Fresh, r.KeepAlive, r.HTTP2, r.WebSocket}
	var sent int64
	for i, f := range all {
		if f == nil {
			continue
		}
		if f.Sent != f.OK+f.Held+f.Unprocessed+f.Lost.Total() || f.Sent == 0 {
			t.Errorf("figures %d do not add up: %+v", i, *f)
		}
		if i > 0 {
			sent += f.Sent
		}
	}
	if sent != r.Total.Sent {
		t.Errorf("total is %d requests, the modes have %d", r.Total.Sent, sent)
	}
	if min(r.Lost(), 10) != len(r.Samples) {
		t.Errorf("%d lost, but %d samples", r.Lost(), len(r.Samples))
	}
}

// TestSeesOneStepShutdown: a worker that only calls http.Server.Shutdown at SIGTERM sometimes loses
// requests. The test rolls until prove has counted one.
func TestSeesOneStepShutdown(t *testing.T) {
	p := newPool(t, oneStep, "tcp", 2)
	const rounds = 20
	for range rounds {
		r := prove(t, Options{URL: p.url(), Clients: 16, Pause: time.Millisecond, Target: p, Rolls: 5})
		if r.Rolls.Done != 5 || r.Rolls.Replaced != 10 || r.Rolls.Failed != 0 {
			t.Fatalf("rolls: %+v", *r.Rolls)
		}
		if r.Lost() > 0 {
			if n := r.Total.Lost; n.EOF+n.Reset != n.Total() {
				t.Errorf("a worker that leaves early resets or closes, but: %+v", n)
			}
			return
		}
	}
	t.Errorf("no request was lost in %d rounds of rolls that lose some", rounds)
}

func TestSeesNoLossInTwoPhaseDrain(t *testing.T) {
	p := newPool(t, twoPhase, "tcp", 2)
	r := prove(t, Options{URL: p.url(), Clients: 16, Pause: 2 * time.Millisecond, Target: p, Rolls: 5})
	if r.Lost() != 0 || r.Rolls.Done != 5 {
		t.Errorf("lost %d in rolls that lose nothing: %+v", r.Lost(), r.Samples)
	}
}

// TestPause: a client that waits sends no second request, and the end of the load ends its wait.
func TestPause(t *testing.T) {
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) })
	r := prove(t, Options{URL: s.url(), Clients: 2, Duration: 50 * time.Millisecond, Pause: time.Hour, MinRequests: 2})
	if r.Fresh.Sent != 2 || r.KeepAlive.Sent != 2 || r.Lost() != 0 {
		t.Errorf("%d and %d requests of 2 clients that wait after the first", r.Fresh.Sent, r.KeepAlive.Sent)
	}
}

// TestMinRequestsGoesOnRolling: each roll ends after 10 requests, and the run is to have far more.
func TestMinRequestsGoesOnRolling(t *testing.T) {
	s := newRawServer(t, "unix", func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) })
	target := fakeTarget{workers: []Worker{{State: Serving}}, roll: func(ctx context.Context) (Roll, error) {
		often := time.NewTicker(time.Millisecond)
		defer often.Stop()
		for begin := s.requests.Load(); s.requests.Load() < begin+10; {
			select {
			case <-often.C:
			case <-ctx.Done():
				return Roll{}, ctx.Err()
			}
		}
		return Roll{Replaced: 1, OK: true}, nil
	}}
	const enough = 300
	r := prove(t, Options{URL: s.url(), Clients: 2, Target: target, Rolls: 1, MinRequests: enough})
	if r.Fresh.Sent < enough || r.KeepAlive.Sent < enough {
		t.Errorf("ended after %d and %d requests", r.Fresh.Sent, r.KeepAlive.Sent)
	}
	if r.Rolls.Done < 2 || r.Lost() > 0 {
		t.Errorf("rolls %+v, lost %d", *r.Rolls, r.Lost())
	}
}

// TestDuration: a load lasts as long as was asked for, with rolls and without one.
func TestDuration(t *testing.T) {
	t.Parallel()
	const long = 700 * time.Millisecond
	s := newRawServer(t, "unix", func(_ *rawServer, c net.Conn, _ int64) bool { return send(c, plain) })
	for _, rolls := range []int{2, NoRolls} {
		rolled := 0
		target := fakeTarget{workers: []Worker{{State: Serving}}, roll: func(context.Context) (Roll, error) {
			rolled++
			return Roll{Replaced: 1, OK: true}, nil
		}}
		r := prove(t, Options{URL: s.url(), Clients: 1, Pause: 5 * time.Millisecond, Target: target, Rolls: rolls,
			Duration: long})
		if time.Duration(r.Duration) < long {
			t.Errorf("%d rolls: ended after %v", rolls, r.Duration)
		}
		if rolled < rolls || rolls == NoRolls && rolled > 0 || (r.Rolls == nil) != (rolls == NoRolls) || r.CutShort {
			t.Errorf("%d rolls: %d were made, %+v", rolls, rolled, r)
		}
	}
}

// TestCutShort: an interrupted run reports what it has counted so far.
func TestCutShort(t *testing.T) {
	s := newRawServer(t, "unix", func(_ *rawServer, c net.Conn, _ int64) bool { return send(c, plain) })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	target := fakeTarget{workers: []Worker{{State: Serving}}, roll: func(ctx context.Context) (Roll, error) {
		<-ctx.Done()
		return Roll{}, ctx.Err()
	}}
	r, err := Run(ctx, Options{URL: s.url(), Clients: 1, Target: target, Answered: cancel})
	if !errors.Is(err, context.Canceled) || !r.CutShort || r.Total.OK == 0 || r.Rolls == nil ||
		r.Rolls.Done+r.Rolls.Failed != 0 {
		t.Errorf("%v: %+v", err, r)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "interrupted") {
		t.Errorf("the report does not say that it was interrupted:\n%s", &text)
	}
}

func TestRollOverUnixSocket(t *testing.T) {
	p := newPool(t, twoPhase, "unix", 1)
	r := prove(t, Options{URL: p.url(), Clients: 4, Pause: time.Millisecond, Target: p, Rolls: 2})
	if r.Lost() > 0 || r.Rolls.Done != 2 {
		t.Errorf("rolls %+v, lost %+v", *r.Rolls, r.Samples)
	}
}

// TestSpawnLeavesListenerNonblocking guards the tests' own master: a worker that blocks in accept
// hangs in its drain, and the loss would be the test's fault.
func TestSpawnLeavesListenerNonblocking(t *testing.T) {
	p := newPool(t, twoPhase, "tcp", 2)
	raw, err := p.listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("flags %#x, %v", flags, err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
