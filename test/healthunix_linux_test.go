package test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestHealthOfUnixSocket: workers that share a Unix socket are checked as a whole, whether the
// configuration or the program opened it. The begin and end of a failing check are reported, and no
// worker is replaced.
func TestHealthOfUnixSocket(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string][]string{"captured": nil, "configured": {"-l", "unix:app.sock"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured(t, "binds-unix", append(listen, "-n", "2", "--health", "/healthz", "--health-interval", "200ms", "--",
				"./app", "app.sock")...)
			s.await("the answer of the pool as a whole", func() bool {
				h := s.status().Health
				return h != nil && h.Pool != nil && h.Pool.OK && h.Pool.MaxMS > 0
			})
			before := s.settled(2)
			lost := s.at("no-database")
			s.must(os.WriteFile(lost, nil, 0o644))
			s.await("a warning", func() bool {
				return slices.ContainsFunc(s.status().Warnings, func(w string) bool {
					return strings.Contains(w, `the pool fails its health check: GET /healthz: 503 "disk full"; `+
						`its workers share a socket, and none is replaced for it`)
				})
			})
			s.must(os.Remove(lost))
			s.await("the end of the warning", func() bool { return len(s.status().Warnings) == 0 })
			if after := s.settled(2); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
			s.stop()
			if n := strings.Count(s.log.String(), "workers that share a socket are not asked one by one"); n != 1 {
				t.Errorf("%d reports that the pool is asked as a whole", n)
			}
		})
	}
}
