package test

import (
	"bufio"
	"context"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stream reads an event stream until it is closed, and counts the events.
func stream(t *testing.T, url string) (events func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	counted := make(chan int, 1)
	broken := make(chan error, 1)
	go func() {
		defer response.Body.Close()
		n := 0
		for lines := bufio.NewReader(response.Body); ; n++ {
			if _, err := lines.ReadString('\n'); err != nil {
				broken <- err
				counted <- n
				return
			}
		}
	}()
	return func() int {
		select {
		case err := <-broken:
			t.Errorf("the stream broke: %v", err)
		default:
		}
		cancel()
		return <-counted
	}
}

// TestSuccessionAndStop: a stop that is requested during a succession is not forgotten.
func TestSuccessionAndStop(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		between := 0
		for delay := range 8 {
			s := newSite(t, "-n", "1", "--upgrade", how)
			asked := make(chan bool)
			go func() {
				s.relevo("upgrade", "site")
				close(asked)
			}()
			s.await("the succession", func() bool { return strings.Contains(s.log.String(), "replacing the master") })
			pause(time.Duration(delay) * 15 * time.Millisecond)
			select {
			case <-asked:
			default:
				between++
			}
			if delay%2 == 0 {
				s.stop()
			} else {
				s.terminate()
			}
			<-asked
		}
		if between == 0 {
			t.Errorf("%s: each succession was over before the stop was requested", how)
		}
	}
}

// terminate sends a signal to the present master, and waits for its end. A master that has just been
// replaced does not get the signal.
func (s *site) terminate() {
	s.t.Helper()
	asked := 0
	s.await("the end of the master", func() bool {
		select {
		case <-s.ended:
			return true
		default:
		}
		if status, err := s.client.Status(context.Background()); err == nil && status.PID != asked {
			asked = status.PID
			syscall.Kill(asked, syscall.SIGTERM)
		}
		return false
	})
}

// TestEventsContinue: a reader of events also gets those of the next master.
func TestEventsContinue(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		s := newSite(t, "-n", "1", "--upgrade", how)
		listens := exec.Command(s.program, "events", "site")
		heard := &lockedBuffer{}
		listens.Dir, listens.Env, listens.Stdout = s.dir, s.env, heard
		if err := listens.Start(); err != nil {
			t.Fatal(err)
		}
		s.await("the first events", func() bool {
			s.relevo("scale", "site", "+1")
			return strings.Contains(heard.String(), `"resize"`)
		})
		before := strings.Count(heard.String(), `"resize"`)
		s.upgrade()
		s.await("events of the next master", func() bool {
			s.relevo("scale", "site", "+1")
			return strings.Count(heard.String(), `"resize"`) > before
		})
		s.stop()
		if err := listens.Wait(); err != nil {
			t.Errorf("relevo events: %v", err)
		}
	}
}

// TestSignalsInASuccession: a reload and an additional worker that are requested during a succession
// are done. At the moment of an exec a signal may be lost, but it ends no process.
func TestSignalsInASuccession(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			signalsInASuccession(t, how)
		})
	}
}

func signalsInASuccession(t *testing.T, how string) {
	// On a busy machine the first rounds may all be too late; one must be in time.
	for delay, inTime := 0, 0; delay < 6 || inTime == 0; delay++ {
		s := newSite(t, "-n", "1", "--upgrade", how, "--watch-binary=false", "--canary", "0")
		master := s.master.Process.Pid
		syscall.Kill(master, syscall.SIGUSR2)
		s.await("the succession", func() bool { return strings.Contains(s.log.String(), "replacing the master") })
		pause(time.Duration(delay%6) * 2 * time.Millisecond)
		syscall.Kill(master, syscall.SIGHUP)
		syscall.Kill(master, syscall.SIGTTIN)
		if strings.Contains(s.log.String(), "another master has taken over") {
			s.stop()
			continue // too late: the signals may have reached a process that had already handed over
		}
		inTime++
		s.await("the next master", func() bool { return s.status().Successions == 1 })
		if how == "tableflip" {
			s.await("the roll and the worker", func() bool {
				status := s.status()
				return status.Generation == 2 && len(status.Workers) == 2 && status.State == "running"
			})
		}
		s.stop()
	}
}

// TestRequestsInSuccessions: no request is refused because one master follows another.
func TestRequestsInSuccessions(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, "-n", "2", "--upgrade", how, "--watch-binary=false", "--canary", "0")
			over := make(chan struct{})
			var askers sync.WaitGroup
			for _, args := range [][]string{{"status", "site"}, {"scale", "site", "+1"}, {"reload", "site"},
				{"send", "site", "{}"}, {"signal", "site", "WINCH"}} {
				askers.Go(func() {
					for {
						select {
						case <-over:
							return
						default:
						}
						if code, said := s.relevo(args...); code != 0 {
							t.Errorf("%v: exit code %d: %s", args, code, said)
							return
						}
					}
				})
			}
			for range 10 {
				s.upgrade()
			}
			close(over)
			askers.Wait()
			s.stop()
		})
	}
}
