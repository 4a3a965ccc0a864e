package test

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestStopTwice: several stop signals at the same moment, whichever they are, are one stop, and
// accepted requests are answered.
func TestStopTwice(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) *site{
		"run": func(t *testing.T) *site { return newSite(t, "-n", "1") },
		"dev": func(t *testing.T) *site {
			s := emptySite(t)
			s.start("dev", "--name", "site", "-l", "127.0.0.1:0", "--drain-timeout", "1m", "--watch", "*.none", "--", "./app")
			return s
		},
		"after an exec": func(t *testing.T) *site {
			s := newSite(t, "-n", "1", "--upgrade", "exec")
			s.upgrade()
			return s
		},
		"after tableflip": func(t *testing.T) *site {
			s := newSite(t, "-n", "1", "--upgrade", "tableflip")
			s.upgrade()
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			takesLongUnless(t, name == "run" || name == "after an exec")
			t.Parallel()
			s := start(t)
			answer := s.slowAnswer()
			s.signalAtOnce(syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
			if got := <-answer; got != "done\n" {
				t.Errorf("the accepted request got %q", got)
			}
			<-s.ended
			s.await("the end of the master", func() bool { code, _ := s.relevo("status", "site"); return code == 3 })
			if code := s.master.ProcessState.ExitCode(); code != 0 || strings.Contains(s.log.String(), "by force") {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// slowAnswer sends a request that takes a second.
func (s *site) slowAnswer() <-chan string {
	s.t.Helper()
	response, err := http.Get("http://" + s.status().Listeners[0].Address + "/slow?for=1s")
	if err != nil {
		s.t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			body = []byte(err.Error())
		}
		answer <- string(body)
	}()
	return answer
}

// signalAtOnce sends signals that arrive at the same moment, however slow this test is: they wait
// while the master is stopped by SIGSTOP.
func (s *site) signalAtOnce(signals ...syscall.Signal) {
	pid := s.status().PID
	syscall.Kill(pid, syscall.SIGSTOP)
	for _, sig := range signals {
		syscall.Kill(pid, sig)
	}
	syscall.Kill(pid, syscall.SIGCONT)
}

// TestStopRepeated: of endless stop signals the first is a graceful stop and a later one a forced
// stop. The last one does not change the exit code.
func TestStopRepeated(t *testing.T) {
	t.Parallel()
	for name, busy := range map[string]bool{"idle": false, "busy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "-n", "1", "--drain-timeout", "10m")
			if busy {
				// The head of the answer shows that the request was accepted.
				response, err := http.Get("http://" + s.status().Listeners[0].Address + "/stream")
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
			}
			s.await("the end", func() bool {
				s.master.Process.Signal(syscall.SIGTERM)
				select {
				case <-s.ended:
					return true
				default:
					return false
				}
			})
			if code := s.master.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if forced := strings.Contains(s.log.String(), "by force"); forced != busy {
				t.Errorf("forced: %t", forced)
			}
		})
	}
}
