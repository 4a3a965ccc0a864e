package test

import (
	"os"
	"strconv"
	"testing"
)

// lastingServer notes the end of its channel, and keeps serving.
const lastingServer = `
require('node:http').createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1');
process.on('disconnect', () => require('node:fs').writeFileSync('left-' + process.pid, ''));
`

// TestNodeOrphans: without systemd, Node's workers keep serving when their master was killed, as
// workers of other programs do.
func TestNodeOrphans(t *testing.T) {
	t.Parallel()
	s := nodeSite(t, lastingServer)
	pids, address := s.orphans(2)
	for _, pid := range pids {
		s.await("the worker to notice the end of its master", func() bool {
			_, err := os.Stat(s.at("left-" + strconv.Itoa(pid)))
			return err == nil
		})
	}
	for range 20 {
		if body, err := fetch(address, "/"); err != nil || body != "ok" {
			t.Fatalf("%q, %v", body, err)
		}
	}
}
