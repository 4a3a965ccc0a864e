package test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"relevo/pool"
)

// strictApp exits at every message that it does not know. On request it sends what relevo cannot
// parse. If the file "flood" exists, it sends many messages before it listens.
const strictApp = `
const fs = require('node:fs');
process.on('message', message => {
  switch (message.ask) {
  case 'long':
    for (let i = 0; i < 2; i++) process.send('x'.repeat(2 << 20));
    process.send({ deep: true });
    break;
  case 'broken':
    fs.writeSync(process.channel.fd, 'junk\n\0\0{}\n' + '['.repeat(20000) + ']'.repeat(20000) +
      '\n{"relevo":"status","text":[5]}\n');
    process.send({ broken: true });
    break;
  default:
    throw new Error('no such message: ' + JSON.stringify(message));
  }
});
if (fs.existsSync('flood')) for (let n = 0; n < 20000; n++) process.send({ n });
require('node:http').createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1');
`

// TestNodeWire: whatever the program of a Node worker sends does no harm, and it receives nothing
// that it did not ask for.
func TestNodeWire(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := nodeSite(t, strictApp)
	pids := s.settled(2)
	events := s.record()
	end := s.load()
	for i, ask := range []string{"long", "broken"} {
		if code, said := s.relevo("send", "site", `{"ask":"`+ask+`"}`); code != 0 {
			t.Fatalf("send: exit code %d: %s", code, said)
		}
		events.await(pool.KindMessage, 2*(i+1))
	}
	if now := s.settled(2); !slices.Equal(now, pids) {
		t.Errorf("the workers are %v, want %v", now, pids)
	}
	log := s.log.String()
	for _, told := range []string{"is longer than 1048576 bytes", "is not one JSON value"} {
		if n := strings.Count(log, told); n != 1 {
			t.Errorf("%q was reported %d times, want once\n%s", told, n, log)
		}
	}
	s.must(os.WriteFile(s.at("flood"), nil, 0o644))
	s.rolls(t) // the drain is also a message of relevo
	wantNothingLost(t, end())
	if n := len(events.of(pool.KindDisconnect)); n > 2 {
		t.Errorf("%d channels were closed", n)
	}
	wantReadyBeforeWords(t, s, events)
	s.stop()
	if log := s.log.String(); strings.Contains(log, "no such message") {
		t.Errorf("a worker received a message that it does not know:\n%s", log)
	}
}

// wantReadyBeforeWords: each worker's "ready" comes before the last of the messages that it sent
// before it listened. A slow reader of events misses some of these messages.
func wantReadyBeforeWords(t *testing.T, s *site, events *eventLog) {
	t.Helper()
	for _, w := range s.status().Workers {
		s.await("a message of worker "+w.ID+" after it is ready", func() bool {
			return slices.ContainsFunc(events.of(pool.KindMessage), func(e pool.Event) bool {
				return e.ID == w.ID && strings.HasPrefix(string(e.Data), `{"n":`) && e.Time.After(w.Ready)
			})
		})
	}
}

// TestNodeListening: each worker's server gets its "listening", as in Node's cluster.
func TestNodeListening(t *testing.T) {
	t.Parallel()
	s := nodeSite(t, classicCluster)
	s.settled(2)
	events := s.record()
	s.rolls(t)
	address := s.status().Listeners[0].Address
	for _, w := range s.status().Workers {
		s.await("the event of worker "+w.ID, func() bool {
			return slices.ContainsFunc(events.of(pool.KindListening), func(e pool.Event) bool {
				return e.ID == w.ID && slices.Equal(e.Addresses, []string{address})
			})
		})
	}
	if n := len(events.of(pool.KindListening)); n != 2 {
		t.Errorf("%d events, want one for each worker", n)
	}
	s.stop()
}
