package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// secureApp has a server of HTTP/2, one of HTTP/1 inside TLS, and one with WebSockets that echo. It
// writes its ports to the file "ports".
const secureApp = `
const http2 = require('node:http2'), https = require('node:https');
const http = require('node:http'), fs = require('node:fs');
const options = { cert: fs.readFileSync('cert.pem'), key: fs.readFileSync('key.pem') };
const servers = [
  http2.createSecureServer(options, (request, response) => response.end('h2')),
  https.createServer(options, (request, response) => response.end('h1')),
  http.createServer((request, response) => response.end(String(process.env.NODE_OPTIONS) +
    Object.keys(require.cache).some(name => name.includes('preload-')))),
];
servers[2].on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  socket.on('data', data => socket.write(data)).on('error', () => {});
});
let open = 0;
for (const server of servers) {
  server.listen(0, '127.0.0.1', () => {
    if (++open < servers.length) return;
    fs.writeFileSync('ports~' + process.pid, JSON.stringify(servers.map(server => server.address().port)));
    fs.renameSync('ports~' + process.pid, 'ports');
  });
}
`

// secureLoad sends requests without a pause, on connections that it keeps until the server closes
// them properly. When it is told to end, it prints what was lost.
const secureLoad = `
const http2 = require('node:http2'), https = require('node:https'), net = require('node:net');
const [h2, h1, ws] = JSON.parse(require('node:fs').readFileSync('ports'));
const count = { h2: 0, h1: 0, lost: [], away: 0, goodbyes: 0, closed: [] };
let ending = false;
const lost = error => count.lost.push(String(error.code || error));
function overHTTP2() {
  const session = http2.connect('https://127.0.0.1:' + h2, { rejectUnauthorized: false });
  let away = false;
  session.on('goaway', () => { away = true; count.away++; }).on('error', () => {});
  const ask = () => {
    if (ending) return session.close();
    if (away || session.closed) { session.close(); return overHTTP2(); }
    const stream = session.request({ ':path': '/' });
    let body = '', failed;
    stream.on('data', data => body += data).on('error', error => failed = error);
    stream.on('close', () => {
      if (body === 'h2') count.h2++;
      else if (stream.rstCode !== http2.constants.NGHTTP2_REFUSED_STREAM) lost(failed || 'empty'); // may be repeated
      setTimeout(ask, 2);
    });
  };
  ask();
}
function overTLS() {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const ask = () => {
    if (ending) return agent.destroy();
    https.get({ host: '127.0.0.1', port: h1, agent, rejectUnauthorized: false }, response => {
      if (response.headers.connection === 'close') count.goodbyes++;
      response.resume().on('end', () => { count.h1++; setTimeout(ask, 2); });
    }).on('error', error => { lost(error); setTimeout(ask, 2); });
  };
  ask();
}
function overWebSocket() {
  const socket = net.connect(ws, '127.0.0.1');
  let last = '';
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  socket.on('data', data => last = data.toString('hex'))
    .on('error', () => {}).on('close', () => count.closed.push(last));
}
const begun = setInterval(() => {
  if (count.h2 && count.h1) { console.error('all have asked'); clearInterval(begun); }
}, 10);
for (let i = 0; i < 4; i++) { overHTTP2(); overTLS(); overWebSocket(); }
process.on('SIGTERM', () => {
  ending = true;
  setTimeout(() => { console.log(JSON.stringify(count)); process.exit(); }, 300);
});
`

type secureCount struct {
	H2, H1, Away, Goodbyes int
	Lost, Closed           []string
}

// secureSite runs secureApp.
func secureSite(t *testing.T, flags ...string) *site {
	t.Helper()
	certificate, key := selfSigned(t)
	s := nodeSiteWith(t, secureApp, map[string]string{"cert.pem": certificate, "key.pem": key, "load.js": secureLoad},
		flags...)
	s.await("the ports", func() bool { _, err := os.Stat(s.at("ports")); return err == nil })
	s.settled(2)
	return s
}

// TestNodePreload: connections that cannot be handed over are ended properly.
func TestNodePreload(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := secureSite(t, "--drain-timeout", "1s")
	load := exec.Command("node", "load.js")
	var out bytes.Buffer
	load.Dir, load.Stdout, load.Stderr = s.dir, &out, s.log
	s.must(load.Start())
	t.Cleanup(func() { load.Process.Kill(); load.Wait() })
	s.await("requests of all clients", func() bool { return strings.Contains(s.log.String(), "all have asked") })
	old := s.settled(2)
	for range 2 {
		s.rolls(t)
		s.leftBy(old)
		old = s.settled(2)
	}
	load.Process.Signal(syscall.SIGTERM)
	s.must(load.Wait())
	var count secureCount
	s.must(json.Unmarshal(out.Bytes(), &count))
	if len(count.Lost) > 0 || count.H2 == 0 || count.H1 == 0 {
		t.Errorf("%d requests by HTTP/2 and %d inside TLS, lost: %v", count.H2, count.H1, count.Lost)
	}
	if count.Away == 0 || count.Goodbyes == 0 {
		t.Errorf("%d times GOAWAY, %d times Connection: close", count.Away, count.Goodbyes)
	}
	if got := strings.Join(count.Closed, " "); got != "880203e9 880203e9 880203e9 880203e9" { // 1001
		t.Errorf("the last frames on WebSockets are %s", got)
	}
	s.stop()
}

// TestNodeOptions: the user's options for Node are kept, and relevo's options do not reach processes
// that the program starts.
func TestNodeOptions(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for want, flags := range map[string][]string{
		"undefinedtrue":      {},
		"--no-warningstrue":  {"--env", "NODE_OPTIONS=--no-warnings"},
		"--no-warningsfalse": {"--env", "NODE_OPTIONS=--no-warnings", "--no-preload"},
	} {
		s := secureSite(t, flags...)
		var ports []int
		s.must(json.Unmarshal([]byte(mustRead(t, s.at("ports"))), &ports))
		if body, err := fetch(fmt.Sprint("127.0.0.1:", ports[2]), "/"); err != nil || body != want {
			t.Errorf("%v: %q, %v; want %q", flags, body, err, want)
		}
		s.stop()
	}
}

// TestNodeHandlers: a program that was written for PM2 is told before it has to end.
func TestNodeHandlers(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for name, handler := range map[string]string{
		"SIGINT": "process.on('SIGINT', () => { console.log('heard', process.pid); process.exit(); })",
		"shutdown": "process.on('message', message => { if (message === 'shutdown') { console.log('heard', " +
			"process.pid); process.exit(); } })",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := nodeSite(t, addressApp+handler)
			old := s.settled(2)
			s.rolls(t)
			s.leftBy(old)
			all := append(old, s.settled(2)...)
			s.stop()
			for _, pid := range all {
				if n := strings.Count(s.log.String(), fmt.Sprintf("heard %d\n", pid)); n != 1 {
					t.Errorf("worker %d was told %d times, want once", pid, n)
				}
			}
		})
	}
}
