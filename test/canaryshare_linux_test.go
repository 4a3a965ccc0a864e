package test

import (
	"flag"
	"strings"
	"syscall"
	"testing"
)

var canaryConnections = flag.Int("canary-connections", 1000, "how many connections the test of a canary's share makes")

// triedRoll is a relevo reload in the background.
type triedRoll struct{ done chan reloadEnd }

type reloadEnd struct {
	code int
	said string
}

// tryRelease reloads to a release and waits until its canary is on probation.
func (s *site) tryRelease(version string, flags ...string) triedRoll {
	s.t.Helper()
	s.release(version, "binds")
	r := triedRoll{make(chan reloadEnd, 1)}
	go func() {
		code, said := s.relevo(append([]string{"reload", "site", "--canary", "10m"}, flags...)...)
		r.done <- reloadEnd{code, said}
	}()
	s.await("the canary to be on probation", func() bool { return s.status().Canary != nil })
	return r
}

func (r triedRoll) want(t *testing.T, code int, words ...string) {
	t.Helper()
	end := <-r.done
	if end.code != code {
		t.Errorf("reload: exit code %d, want %d: %s", end.code, code, end.said)
	}
	for _, word := range words {
		if !strings.Contains(end.said, word) {
			t.Errorf("reload prints %q, want %q", end.said, word)
		}
	}
}

// shareOf makes this many new connections, and returns how many of them a release has answered.
func shareOf(t *testing.T, address, version string, connections int) (of int) {
	t.Helper()
	for range connections {
		said, err := fetch(address, "/")
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(said, "version "+version+" ") {
			of++
		}
	}
	return of
}

// TestDarkCanary: a canary with a share of 0% gets no client, not even under the next master, so
// nothing is lost when it dies. Once it is promoted, it serves.
func TestDarkCanary(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := capturedSite(t)
	s.settled(4)
	address := s.status().Listeners[0].Address
	end := s.load()
	defer end()
	roll := s.tryRelease("2", "--share", "0%")
	canary := s.status().Canary
	if _, said := s.relevo("status", "site"); canary.Share != "0%" || canary.Hint != "" ||
		!strings.Contains(said, "with 0% of the new connections; relevo promote") {
		t.Errorf("canary %+v, status: %s", canary, said)
	}
	for _, w := range s.status().Workers {
		if w.ID == canary.ID {
			syscall.Kill(w.PID, syscall.SIGKILL)
		}
	}
	roll.want(t, 10, "on probation for 10m00s, with 0% of the new connections", "died on probation: killed by SIGKILL")
	s.settled(4)
	roll = s.tryRelease("3", "--share", "0%")
	if n := shareOf(t, address, "3", 100); n > 0 {
		t.Errorf("a dark canary has answered %d of 100 connections", n)
	}
	s.upgrade()
	if n := shareOf(t, address, "3", 100); n > 0 {
		t.Errorf("a dark canary has answered %d of 100 connections in the next master", n)
	}
	if code, said := s.relevo("promote", "site"); code != 0 || !strings.Contains(said, "is promoted") {
		t.Errorf("promote: %d %s", code, said)
	}
	roll.want(t, 0)
	s.settled(4)
	if n := shareOf(t, address, "3", 20); n != 20 {
		t.Errorf("the promoted release has answered %d of 20 connections", n)
	}
	wantNothingLost(t, end())
	for _, command := range []string{"promote", "abort"} {
		if code, said := s.relevo(command, "site"); code != 1 || !strings.Contains(said, "no roll is under way") {
			t.Errorf("%s without a roll: %d %s", command, code, said)
		}
	}
	s.stop()
}

// TestCanaryShare: a canary gets its share of new connections. An abort does not mark its release
// as bad. The setting does the same as the flag of reload.
func TestCanaryShare(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := capturedSite(t, "--canary-share", "5%")
	s.settled(4)
	address := s.status().Listeners[0].Address
	roll := s.tryRelease("2")
	of := shareOf(t, address, "2", *canaryConnections)
	percent := 100 * float64(of) / float64(*canaryConnections)
	t.Logf("the canary has got %.2f %% of %d connections", percent, *canaryConnections)
	if percent < 1.5 || percent > 8.5 || *canaryConnections >= 10000 && (percent < 4 || percent > 6) {
		t.Errorf("the canary has got %.2f %% of %d connections", percent, *canaryConnections)
	}
	if code, said := s.relevo("abort", "site"); code != 0 || !strings.Contains(said, "is aborted, generation 1 serves") {
		t.Errorf("abort: %d %s", code, said)
	}
	roll.want(t, 10, "aborted by request")
	if code, said := s.relevo("reload", "site", "--share", ""); code != 2 ||
		!strings.Contains(said, `cannot read "" as a share`) {
		t.Errorf("an empty share: exit code %d: %s", code, said)
	}
	if code, said := s.relevo("reload", "site", "--share", "60%"); code != 2 ||
		!strings.Contains(said, "cannot give a canary 60% of the new connections: 0% to 50% are possible") {
		t.Errorf("a share of 60%%: %d %s", code, said)
	}
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Errorf("an aborted release is tried again: %d %s", code, said)
	}
	s.stop()
}

// TestCanaryShareShared: where workers share a socket, relevo says that the share has no effect.
func TestCanaryShareShared(t *testing.T) {
	t.Parallel()
	s := capturedSite(t, "--balance", "shared")
	s.settled(4)
	roll := s.tryRelease("2", "--share", "5%")
	if canary := s.status().Canary; !strings.Contains(canary.Hint, "there the canary gets clients like all others") {
		t.Errorf("canary: %+v", canary)
	}
	if code, said := s.relevo("promote", "site"); code != 0 {
		t.Errorf("promote: %d %s", code, said)
	}
	roll.want(t, 0, "there the canary gets clients like all others")
	s.stop()
	if n := strings.Count(s.log.String(), "the canary gets clients like all others, whatever its share is"); n != 1 {
		t.Errorf("told %d times", n)
	}
}
