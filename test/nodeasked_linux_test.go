package test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"relevo/internal/testport"
)

// askingApp listens on a second port when it is told to. Its first request for that socket is lost,
// as if a master were killed before the answer.
const askingApp = `
const http = require('node:http'), send = process._send;
const app = (request, response) => response.end('ok');
http.createServer(app).listen(PORT, '127.0.0.1');
process.on('message', message => {
  if (!message.listen) return;
  process._send = function (message, ...more) {
    if (message.act !== 'queryServer') return send.call(this, message, ...more);
    process._send = send;
    return true;
  };
  http.createServer(app).listen(message.listen, '127.0.0.1', () => console.log('SECOND'));
  console.log('ASKED');
});
`

// TestNodeAskedKilledMaster: a worker that serves asks for a socket, and its master is killed
// before it answers. The worker asks the next master again.
func TestNodeAskedKilledMaster(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := nodeUnit(t, askingApp, "workers = 1\n")
	s.Systemctl("start", "web.service")
	pids := s.settled(1)
	second := testport.Free(t)
	s.must("send", "web", fmt.Sprintf(`{"listen":%d}`, second))
	logged := func(text string) func() bool {
		return func() bool { return strings.Contains(s.Journal("web.service"), text) }
	}
	s.Await("the worker to ask", logged("ASKED"))
	s.murder()
	s.Await("the second server to listen", logged("SECOND"))
	s.Await("the second server to answer", func() bool {
		answer, err := fetch(net.JoinHostPort("127.0.0.1", fmt.Sprint(second)), "/")
		return err == nil && answer == "ok"
	})
	if now := s.settled(1); now[0] != pids[0] {
		t.Errorf("the worker was %d, and is %d", pids[0], now[0])
	}
	s.Systemctl("stop", "web.service")
}
