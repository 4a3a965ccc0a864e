package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/testreq"
	"relevo/pool"
)

// classicCluster is the first script in the documentation of Node's cluster module.
const classicCluster = `
const cluster = require('node:cluster'), http = require('node:http');
if (cluster.isPrimary) {
  for (let i = 0; i < 4; i++) cluster.fork();
  cluster.on('exit', worker => console.log('worker died', worker.process.pid));
} else {
  http.createServer((request, response) => response.end('worker ' + cluster.worker.id)).listen(0, '127.0.0.1');
  process.on('message', message => { if (!message.relevo) process.send({ heard: message }); });
  process.on('disconnect', () => console.log('disconnected', cluster.worker.exitedAfterDisconnect));
}
`

// nodeSite runs a script of Node.
func nodeSite(t *testing.T, script string, flags ...string) *site {
	t.Helper()
	return nodeSiteWith(t, script, nil, flags...)
}

// nodeSiteWith is nodeSite with further files beside the script.
func nodeSiteWith(t *testing.T, script string, files map[string]string, flags ...string) *site {
	t.Helper()
	testreq.Program(t, "node")
	s := emptySite(t)
	s.must(os.WriteFile(s.at("app.js"), []byte(script), 0o644))
	for name, text := range files {
		s.must(os.WriteFile(s.at(name), []byte(text), 0o644))
	}
	args := append([]string{"run", "--name", "site", "-n", "2", "--canary", "100ms", "--watch-binary=false",
		"--ready-timeout", tooLong.String()}, flags...)
	s.start(append(args, "--", "node", "app.js")...)
	s.allListen()
	return s
}

// allListen waits until all workers have a server. A slow worker may count as ready, because it
// lives, before it listens; then it is replaced by one that listens.
func (s *site) allListen() {
	s.t.Helper()
	s.await("the first server", func() bool { return len(s.status().Listeners) > 0 })
	if slices.ContainsFunc(s.status().Workers, func(w pool.Worker) bool { return w.ReadyBy == "alive" }) {
		s.rolls(s.t)
	}
}

// TestNodeCluster: a script that forks its own workers gets those of the pool instead.
func TestNodeCluster(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			takesLongUnless(t, how == "exec")
			t.Parallel()
			s := nodeSite(t, classicCluster, "--upgrade", how)
			pids := s.settled(2)
			body, err := fetch(s.status().Listeners[0].Address, "/")
			if err != nil || !regexp.MustCompile(`^worker [12]$`).MatchString(body) {
				t.Errorf("%q, %v", body, err)
			}
			events := s.record()
			sendAndHear(t, s, events, 1)
			syscall.Kill(pids[0], syscall.SIGKILL)
			events.await(pool.KindExit, 1)
			events.await(pool.KindReady, 1)
			s.settled(2)
			end := s.load()
			s.rolls(t)
			s.upgrade()
			sendAndHear(t, s, s.record(), 2)
			s.rolls(t)
			wantNothingLost(t, end())
			s.stop()
			log := s.log.String()
			if !strings.Contains(log, "disconnected true") { // on a busy machine the stop signal may come first
				t.Error("no worker was disconnected")
			}
			if n := strings.Count(log, "cluster.isPrimary"); n < 1 || n > 2 {
				t.Errorf("%d messages about what does not run, want one for each master", n)
			}
		})
	}
}

// rolls reloads the app and waits until the old workers are gone.
func (s *site) rolls(t *testing.T) {
	t.Helper()
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: exit code %d: %s", code, said)
	}
	s.settled(2)
}

// sendAndHear checks that all workers receive a message, and answer.
func sendAndHear(t *testing.T, s *site, events *eventLog, number int) {
	t.Helper()
	if code, said := s.relevo("send", "site", `{"ask":1}`); code != 0 {
		t.Fatalf("send: exit code %d: %s", code, said)
	}
	for _, e := range events.await(pool.KindMessage, 2) {
		if string(e.Data) != `{"heard":{"ask":1}}` {
			t.Errorf("message %d: heard %s", number, e.Data)
		}
	}
}

// TestNodeServers: one program with servers of every kind, each with a socket of its own.
func TestNodeServers(t *testing.T) {
	t.Parallel()
	s := nodeSite(t, `
const net = require('node:net'), dgram = require('node:dgram');
const server = name => net.createServer(socket => socket.end(name));
server('one').listen(0, '127.0.0.1');
server('two').listen(0, '127.0.0.1');
server('path').listen('x.sock');
const packets = dgram.createSocket('udp4');
packets.on('message', (message, from) => packets.send('packet', from.port, from.address));
packets.bind(0, '127.0.0.1');
const taken = net.createServer();
taken.on('error', error => console.log('no server:', error.code));
taken.listen(0, '192.0.2.1');
`)
	s.await("two servers without a socket", func() bool {
		return strings.Count(s.log.String(), "no server: EADDRNOTAVAIL") == 2
	})
	s.await("all sockets", func() bool { return len(s.status().Listeners) == 4 })
	for range 2 {
		said := map[string]bool{}
		for _, l := range s.status().Listeners {
			network := "tcp"
			switch {
			case strings.HasPrefix(l.Name, "unix"):
				network = "unix"
			case strings.HasPrefix(l.Name, "any-udp"):
				network = "udp"
			}
			said[firstWord(t, network, l.Address)] = true
		}
		for _, want := range []string{"one", "two", "path", "packet"} {
			if !said[want] {
				t.Errorf("the servers answered %v, not %s", said, want)
			}
		}
		s.rolls(t)
	}
	s.stop()
}

// firstWord returns the first data that a server sends.
func firstWord(t *testing.T, network, address string) string {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if network == "udp" {
		conn.Write([]byte("."))
		answer := make([]byte, 100)
		n, err := conn.Read(answer)
		if err != nil {
			t.Error(err)
		}
		return string(answer[:n])
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(answer)
}

// TestNodeTickets: a TLS session can be resumed at every worker, even when all of the first workers,
// and the first master, are gone.
func TestNodeTickets(t *testing.T) {
	takesLong(t)
	t.Parallel()
	certificate, key := selfSigned(t)
	s := nodeSite(t, `
const https = require('node:https'), options = { cert: `+"`"+certificate+"`, key: `"+key+"`"+`, maxVersion: 'TLSv1.2' };
https.createServer(options, (request, response) => response.end('ok')).listen(0, '127.0.0.1');
`)
	settings := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	resumes := func() bool {
		t.Helper()
		conn, err := tls.Dial("tcp", s.status().Listeners[0].Address, settings)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().DidResume
	}
	if resumes() {
		t.Fatal("the first connection resumed a session")
	}
	for _, change := range []func(){func() {}, func() { s.rolls(t) }, func() { s.upgrade() }, func() { s.rolls(t) }} {
		change()
		for range 8 { // so that both workers are used
			if !resumes() {
				t.Error("the session was started again")
			}
		}
	}
	s.stop()
}

func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return text("CERTIFICATE", signed), text("PRIVATE KEY", encoded)
}

// TestNodeStopSignal: a script with a handler for the stop signal gets the signal.
func TestNodeStopSignal(t *testing.T) {
	t.Parallel()
	for _, balance := range []string{"auto", "shared"} {
		s := nodeSite(t, `
require('node:http').createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1');
process.on('SIGTERM', () => { console.log('terminated'); process.exit(); });
`, "--balance", balance)
		heard := func() int { return strings.Count(s.log.String(), "terminated") }
		before := heard() // a roll by nodeSite may have sent the signal already
		s.rolls(t)
		for _, w := range s.status().Workers {
			if want := map[string]string{"auto": "accepted", "shared": "said"}[balance]; w.ReadyBy != want {
				t.Errorf("balance %s: a worker is ready because of %q, want %q", balance, w.ReadyBy, want)
			}
		}
		s.stop()
		if n := heard() - before; n != 4 {
			t.Errorf("balance %s: %d workers heard the stop signal, want 4\n%s", balance, n, s.log)
		}
	}
}

// TestNodeSendsConnection: a worker sends a connection with a message. The message arrives, and the
// connection is closed. After that the worker can still send messages, and listen.
func TestNodeSendsConnection(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--no-preload=false", "--no-preload"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			sendsConnection(t, flag)
		})
	}
}

func sendsConnection(t *testing.T, flag string) {
	s := nodeSite(t, `
const server = require('net').createServer(socket => {
  process.send('longer than a line may be'.repeat(1e5), socket);
  process.send({ beside: true }, server);
}).listen(0, '127.0.0.1');
process.on('message', message => message.ask && require('net').createServer().listen(0, '127.0.0.2',
  () => process.send({ listens: true })));
`, flag)
	s.settled(2)
	events := s.record()
	c, err := net.Dial("tcp", s.status().Listeners[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(tooLong))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection: %v", err)
	}
	events.await(pool.KindMessage, 1)
	if code, said := s.relevo("send", "site", `{"ask":1}`); code != 0 {
		t.Fatalf("send: exit code %d: %s", code, said)
	}
	events.await(pool.KindMessage, 3) // both listen
	if n := strings.Count(s.log.String(), "(process.send) is closed"); n != 1 {
		t.Errorf("reported %d times", n)
	}
}

// TestNodeSendsConnectionUncaptured: the same for a Node program that is not a worker of Node's
// cluster: relevo does not take the connection, and later messages arrive.
func TestNodeSendsConnectionUncaptured(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.must(os.WriteFile(s.at("app.js"), []byte(`
const server = require('net').createServer().listen(0, '127.0.0.1');
process.on('message', message => {
  if (!message.ask) return;
  process.send({ beside: true }, server);
  process.send({ later: true });
});
`), 0o644))
	s.start("run", "--name", "site", "-n", "1", "--capture", "off", "--watch-binary=false", "--", "node", "app.js")
	s.settled(1)
	events := s.record()
	if code, said := s.relevo("send", "site", `{"ask":1}`); code != 0 {
		t.Fatalf("send: exit code %d: %s", code, said)
	}
	events.await(pool.KindMessage, 2)
	if n := strings.Count(s.log.String(), "(process.send) is closed"); n != 1 {
		t.Errorf("reported %d times", n)
	}
	s.stop()
}

// TestNodeHostile: a worker that breaks the protocol's rules harms only itself.
func TestNodeHostile(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := nodeSite(t, `
const http = require('node:http');
http.createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1');
process.on('message', message => {
  if (!message.evil || process.env.RELEVO_SLOT !== '1') return; // a worker of any generation
  const say = (message, socket) => process.send(message, socket, () => {});
  for (let seq = 0; seq < 10000; seq++) {
    say({ cmd: 'NODE_CLUSTER', act: 'queryServer', index: seq, address: '127.0.0.1', port: 0, addressType: 4,
      data: null, seq: 1000 + seq });
    if (seq % 10) continue;
    say({ cmd: 'NODE_HANDLE_ACK' });
    say({ cmd: 'NODE_HANDLE_NACK' });
    say({ cmd: 'NODE_CLUSTER', ack: seq, accepted: true });
    say({ cmd: 'NODE_CLUSTER', act: 'close', key: '127.0.0.1:0:4:undefined:' + seq });
    say({ cmd: 'NODE_RELEVO', act: 'clear' });
  }
});
`)
	s.settled(2)
	end := s.load()
	if code, said := s.relevo("send", "site", `{"evil":true}`); code != 0 {
		t.Fatalf("send: exit code %d: %s", code, said)
	}
	s.await("the warning", func() bool {
		return strings.Contains(s.log.String(), "has no socket for a server of a worker")
	})
	s.rolls(t)
	wantNothingLost(t, end())
	s.stop()
}
