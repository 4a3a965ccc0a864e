package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"relevo/pool"
)

// TestWorkersGrowWithTheQueue: so many clients wait that serving them takes three workers, and the
// pool gets three. A number that a user sets is kept, also by the next master, until the user lets
// the load decide again.
func TestWorkersGrowWithTheQueue(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.release("1", "serves-as-three")
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "1..3", "--", "./app")
	s.settled(1)
	address := s.status().Listeners[0].Address
	answers := make(chan error, 4)
	for range cap(answers) {
		go func() { answers <- askAlone(address) }()
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	s.settled(3)
	status := s.status()
	if status.Scale == nil || status.Scale.Max != 3 || !strings.Contains(status.Scale.Reason, "waiting connections") {
		t.Errorf("the status says %+v", status.Scale)
	}
	s.wantLog(t, `resized from 1 to 2 workers" reason="waiting connections`)

	s.says("site: from 3 to 1 worker", "scale", "1")
	s.upgrade()
	const byUser = "workers: 1 by relevo scale; 1 to 3 as the load needs after"
	if _, said := s.relevo("status"); !strings.Contains(said, byUser) {
		t.Errorf("after a succession the status says:\n%s", said)
	}
	s.says("site: from 1 to 1 worker; the load decides from now on", "scale", "auto")
	if status := s.status(); status.Scale.Fixed {
		t.Errorf("the status says %+v", status.Scale)
	}
	s.stop()
}

// TestWorkersFollowTheLoad: a load doubles and falls again. No request is lost while workers come
// and go, and the number does not flap.
func TestWorkersFollowTheLoad(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSite(t, "-n", "1..4")
	events := s.record()
	s.settled(1)
	client := &http.Client{Timeout: tooLong, Transport: &http.Transport{DisableKeepAlives: true}}
	page := "http://" + s.status().Listeners[0].Address + "/busy"
	stage := func(clients int, over func() bool) {
		var load sync.WaitGroup
		end := make(chan struct{})
		for range clients {
			load.Go(func() {
				for {
					select {
					case <-end:
						return
					default:
					}
					answer, err := client.Get(page)
					if err != nil {
						t.Errorf("lost: %v", err)
						return
					}
					answer.Body.Close()
				}
			})
		}
		s.await("the number of workers", over)
		close(end)
		load.Wait()
	}
	slots := func(n int) func() bool { return func() bool { return s.status().Slots >= n } }
	stage(2, slots(2))
	stage(4, slots(3))
	stage(8, slots(4))
	began := time.Now()
	stage(1, func() bool { return time.Since(began) > 3*time.Second }) // the load falls: no worker leaves yet
	s.settled(4)
	stage(4, func() bool { // a user removes workers under load
		code, _ := s.relevo("scale", "2")
		return code == 0
	})
	s.settled(2)
	s.says("site: from 2 to 2 workers; the load decides from now on", "scale", "auto")
	resized := func() []pool.Event { return events.of(pool.KindResize) }
	s.await("the last event", func() bool {
		all := resized()
		return len(all) > 2 && all[len(all)-1].To == 2
	})
	turns, last, numbers := 0, 0, []int{}
	for _, e := range resized() {
		numbers = append(numbers, e.To)
		if direction := e.To - e.From; direction*last < 0 {
			turns++
		}
		last = e.To - e.From
	}
	if turns != 1 { // the change by the user
		t.Errorf("the number of workers was %v", numbers)
	}
	s.stop()
}

func (s *site) says(want string, args ...string) {
	s.t.Helper()
	if code, said := s.relevo(args...); code != 0 || strings.TrimSpace(said) != want {
		s.t.Errorf("relevo %s: exit status %d: %s", strings.Join(args, " "), code, said)
	}
}

// askAlone is a client with one connection.
func askAlone(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(tooLong)); err != nil {
		return err
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err == nil && !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		err = fmt.Errorf("the answer is %q", answer)
	}
	return err
}
