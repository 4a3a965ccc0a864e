package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// upgrade replaces the master and returns the pid of the new one.
func (s *site) upgrade() (pid int) {
	s.t.Helper()
	if code, said := s.relevo("upgrade", "site"); code != 0 {
		s.t.Fatalf("upgrade: exit code %d: %s", code, said)
	}
	return s.status().PID
}

// TestSuccessionUnderLoad: twenty masters follow each other. No request is lost, the workers stay,
// and a stream and a download that began before continue.
func TestSuccessionUnderLoad(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, "-n", "3", "--upgrade", how, "--watch-binary=false")
			before, first := s.settled(3), s.status().PID
			address := "http://" + s.status().Listeners[0].Address
			events := stream(t, address+"/stream")
			download := make(chan error, 1)
			go func() {
				response, err := http.Get(address + "/download?for=5s")
				if err == nil {
					var n int64
					if n, err = io.Copy(io.Discard, response.Body); err == nil && n != response.ContentLength {
						err = fmt.Errorf("%d of %d bytes", n, response.ContentLength)
					}
				}
				download <- err
			}()
			end := s.load()
			defer end()
			master := first
			for range 20 {
				now := s.upgrade()
				if (now == master) != (how == "exec") {
					t.Errorf("pid %d follows pid %d", now, master)
				}
				master = now
			}
			if err := <-download; err != nil {
				t.Errorf("the download: %v", err)
			}
			if n := events(); n < 20 {
				t.Errorf("%d events in the stream", n)
			}
			report := end()
			if n := report.Lost(); n > 0 || report.Total.OK == 0 {
				t.Errorf("%d of %d requests lost: %+v", n, report.Total.Sent, report.Samples)
			}
			if after := s.settled(3); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
			if n := s.status().Successions; n != 20 {
				t.Errorf("status shows %d successions", n)
			}
			t.Logf("%d requests, %d lost, longest gap %v", report.Total.Sent, report.Lost(), report.LongestGap)
			// All requests work on adopted workers.
			s.release("2", "serve")
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("reload: %d %s", code, said)
			}
			if code, said := s.relevo("signal", "site", "--slot", "1", "KILL"); code != 0 {
				t.Errorf("signal: %d %s", code, said)
			}
			s.await("the respawn", func() bool { w := s.status().Workers[1]; return w.Respawns == 1 && w.State == "serving" })
			s.stop()
		})
	}
}

// TestSuccessionInARoll: the next master answers a request that waits for a roll.
func TestSuccessionInARoll(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, "-n", "3", "--upgrade", how, "--canary", "300ms", "--watch-binary=false")
			end := s.load()
			defer end()
			s.release("2", "slow-start")
			rolled := make(chan string, 1)
			go func() {
				code, said := s.relevo("reload", "site")
				rolled <- fmt.Sprint(code, " ", said)
			}()
			for done := range 3 {
				s.await("the roll to continue", func() bool {
					status := s.status()
					served := 0
					for _, w := range status.Workers {
						if w.Generation == 2 && w.State == "serving" {
							served++
						}
					}
					return served > done || status.State == "running" && status.Generation == 2
				})
				s.upgrade()
			}
			if said := <-rolled; !strings.HasPrefix(said, "0 ") || !strings.Contains(said, "generation 2 serves") {
				t.Errorf("reload: %s", said)
			}
			report := end()
			if n := report.Lost(); n > 0 || report.Total.OK == 0 {
				t.Errorf("%d of %d requests lost: %+v", n, report.Total.Sent, report.Samples)
			}
			if !strings.Contains(s.log.String(), "continues the roll to generation 2") {
				t.Errorf("the log does not say that the roll continued:\n%s", s.log)
			}
			s.stop()
		})
	}
}

// renew replaces relevo's file by another one that does the same.
func (s *site) renew() {
	s.t.Helper()
	program, err := os.ReadFile(s.program)
	if err == nil {
		err = writeProgram(s.program+".new", append(program, 'x'))
	}
	if err == nil {
		err = os.Rename(s.program+".new", s.program)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestReloadUpgradesFirst: if relevo's file has changed, HUP and reload first replace relevo, and
// then the workers.
func TestReloadUpgradesFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "1", "--watch-binary=false")
	master := s.status().PID
	for generation, reload := range []func(){
		func() { syscall.Kill(master, syscall.SIGHUP) },
		func() {
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("reload: %d %s", code, said)
			}
		},
	} {
		s.renew()
		reload()
		s.await("another master and generation", func() bool {
			status := s.status()
			return status.PID != master && status.Generation == generation+2 && status.State == "running"
		})
		master = s.status().PID
	}
	// By a signal, and by the change of the file.
	syscall.Kill(master, syscall.SIGUSR2)
	s.await("another master", func() bool { return s.status().PID != master })
	s.stop()

	s = newSite(t, "-n", "1", "--watch-self")
	master = s.status().PID
	s.renew()
	s.await("another master", func() bool { return s.status().PID != master })
	s.stop()
}

// TestOrphans: without systemd, a killed master leaves its workers behind. The next master says
// which processes they are.
func TestOrphans(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2")
	pids, address := s.orphans(2)
	code, said := s.relevo("run", "--name", "site", "-l", address, "--", "./app")
	if code != 1 || !strings.Contains(said, fmt.Sprintf("(kill %d %d)", pids[0], pids[1])) && !strings.Contains(said,
		fmt.Sprintf("(kill %d %d)", pids[1], pids[0])) {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// orphans kills the master, and returns the workers that it leaves behind, which end with the test.
func (s *site) orphans(n int) (pids []int, address string) {
	s.t.Helper()
	pids, address = s.settled(n), s.status().Listeners[0].Address
	s.t.Cleanup(func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	s.master.Process.Kill()
	<-s.ended
	return pids, address
}

// TestTableflipWorker: a worker that itself uses tableflip finds nothing of relevo's tableflip.
func TestTableflipWorker(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.release("1", "tableflip")
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "2", "--", "./app")
	for range 2 {
		s.upgrade()
		if code, said := s.relevo("reload", "site"); code != 0 { // new workers, started by a successor
			t.Fatalf("reload: %d %s", code, said)
		}
	}
	body, err := fetch(s.status().Listeners[0].Address, "/env")
	if err != nil || strings.Contains(body, "TABLEFLIP") || strings.Contains(body, "RELEVO_LEGACY") {
		t.Errorf("%v: a worker has\n%s", err, body)
	}
	s.stop()
}
