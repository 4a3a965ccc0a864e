package test

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// pollingApp is socket.io with its polling transport: each request of a client must reach the worker
// that knows the client.
var pollingApp = unmodified{
	name: "socket.io, polling", needs: "node", module: "socket.io-client", folder: "socketio-polling",
	command: "node app.js",
	flags:   "--balance sticky", workers: 4,
}

// testPolling checks that polling clients of socket.io find their workers before and after a roll.
func (p unmodified) testPolling(t *testing.T) {
	s, port := p.site(t)
	p.start(s, port)
	s.await("the program to bind its port", func() bool { return len(s.status().Listeners) > 0 })
	for range 2 {
		s.settled(4)
		client := exec.CommandContext(t.Context(), "node", "client.js", port)
		client.Dir = s.dir
		said, err := client.Output()
		var counts struct{ Clients, Words, Echoed, Lost int }
		if err == nil {
			err = json.Unmarshal(said, &counts)
		}
		if err != nil || counts.Lost > 0 || counts.Echoed != counts.Words || counts.Words == 0 {
			t.Errorf("%s: %v", said, err)
		}
		t.Logf("%d clients of %s: %d of %d words came back, %d lost their worker",
			counts.Clients, p.name, counts.Echoed, counts.Words, counts.Lost)
		if code, said := s.relevo("reload", "site"); code != 0 {
			t.Errorf("reload: %d %s", code, said)
		}
	}
	s.settled(4)
	s.stop()
}
