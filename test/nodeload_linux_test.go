package test

import (
	"strings"
	"testing"
)

// TestNodeLoad: a Node worker reports how busy its event loop is, even if it uses no processor time,
// until the program itself reports a load. Processes that it starts report none.
func TestNodeLoad(t *testing.T) {
	t.Parallel()
	const blocked = `
const cell = new Int32Array(new SharedArrayBuffer(4));
const part = () => 0.5 + (Date.now() % 5000) / 12500;
setInterval(() => Atomics.wait(cell, 0, 0, 50 * part()), 50);
process.on('message', (message) => {
  if (message !== 'report') return;
  process.send({ relevo: 'load', value: 0.25 });
  setTimeout(() => process.send({ relevo: 'status', text: 'later' }), 1500);
});
require('node:http').createServer((request, response) => response.end(String(process.env.RELEVO_NODE_LOAD)))
  .listen(0, '127.0.0.1');`
	s := nodeSite(t, blocked, "--node-load", "-n", "1")
	load := func() float64 {
		if said := s.status().Workers[0].Load; said != nil {
			return *said
		}
		return 0
	}
	s.await("the load of a blocked event loop", func() bool { return load() > 0.5 })
	if body, err := fetch(s.status().Listeners[0].Address, "/"); err != nil || body != "undefined" {
		t.Errorf("the program's environment has %q, %v", body, err)
	}
	if code, said := s.relevo("send", `"report"`); code != 0 {
		t.Fatal(said)
	}
	s.await("the time of the preload's next report", func() bool { return s.status().Workers[0].Text == "later" })
	if code, said := s.relevo("status", "--usage"); code != 0 || !strings.Contains(said, "0.25") {
		t.Errorf("exit status %d: %s", code, said)
	}
	s.stop()
}

// TestNodeLoadSleeps: a Node worker that reports its load sleeps without clients, although its timers
// and the health checks have the event loop do something in each second.
func TestNodeLoadSleeps(t *testing.T) {
	t.Parallel()
	const timers = `
const spin = (ms) => { for (const end = Date.now() + ms; Date.now() < end;); };
setInterval(() => spin(5), 250);
require('node:http').createServer((request, response) => { spin(5); response.end(); }).listen(0, '127.0.0.1');`
	s := nodeSite(t, timers, "--node-load", "-n", "0..1", "--idle", "2s", "--health", "/", "--health-interval", "1s")
	s.await("a load", func() bool {
		status := s.status()
		return len(status.Workers) == 1 && status.Workers[0].Load != nil && *status.Workers[0].Load > 0
	})
	s.sleeps()
	s.stop()
}
