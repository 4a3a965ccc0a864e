package test

import (
	"fmt"
	"strings"
	"testing"

	"relevo/internal/testport"
)

// TestLateSecondBind: a worker that a previous master started binds one more port, and the present
// master gives it the socket. A new worker gets it, too.
func TestLateSecondBind(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			takesLongUnless(t, how == "tableflip")
			s := emptySite(t)
			s.release("1", "binds")
			s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "1", "--upgrade", how, "--watch-binary=false", "--",
				"./app", "{addr}")
			bindsOneMore(t, s, s.upgrade)
			bindsOneMore(t, s, func() int {
				if code, said := s.relevo("reload", "site"); code != 0 {
					t.Fatalf("reload: %d %s", code, said)
				}
				return 0
			})
			s.stop()
		})
	}
}

func bindsOneMore(t *testing.T, s *site, change func() int) {
	t.Helper()
	change()
	pid, at := s.settled(1)[0], testport.Address(t)
	if said, err := fetch(s.status().Listeners[0].Address, "/bind?at="+at); err != nil || said != "" {
		t.Fatalf("the second bind: %q, %v", said, err)
	}
	s.await("the second port", func() bool {
		said, err := fetch(at, "/")
		return err == nil && said == fmt.Sprintf("second of %d\n", pid)
	})
	for _, l := range s.status().Listeners {
		if strings.HasSuffix(l.Address, at) && l.Captured {
			return
		}
	}
	t.Errorf("%s is not captured: %+v", at, s.status().Listeners)
}
