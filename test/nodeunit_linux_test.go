package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// nodeUnit is a service whose workers run a Node app, in which PORT stands for the port, with
// further settings.
func nodeUnit(t *testing.T, app, settings string) *unitSite {
	t.Helper()
	s := newUnitSite(t, "")
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	text := "name = \"web\"\ncommand = [\"node\", \"app.js\"]\ncanary = \"100ms\"\nwatch_binary = false\n" + settings
	for name, text := range map[string]string{"app.js": strings.ReplaceAll(app, "PORT", port), "relevo.toml": text} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// must runs a command of relevo that must succeed.
func (s *unitSite) must(args ...string) {
	s.t.Helper()
	if code, said := s.relevo(args...); code != 0 {
		s.t.Fatalf("relevo %q: %d %s", args, code, said)
	}
}

const crossedApp = `
const server = require('node:http').createServer((request, response) => setTimeout(() => response.end(
  request.url === '/address' ? request.socket.remoteAddress : 'version 1 slot ' + process.env.RELEVO_SLOT + '\n'), 2));
server.keepAliveTimeout = 60000;
server.listen(PORT, '127.0.0.1');
`

// TestUnitNode: rolls, upgrades and kills of the master alternate, with sticky clients and a health
// check, under load on kept and new connections. No request is lost, no client leaves its slot, no
// worker counts as ill, and only rolls replace workers.
func TestUnitNode(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := nodeUnit(t, crossedApp,
		"workers = 3\nbalance = \"sticky\"\n[health]\nhttp = \"/\"\ninterval = \"1s\"\nfailures = 10\n")
	s.Systemctl("start", "web.service")
	s.settled(3)
	var asked atomic.Int64
	stop := keepAsking(t, keptClients(t, 8, "127.0.0.", s.address), &asked)
	end := loadOfMany(t, s.address)
	kinds := []string{"roll", "upgrade", "kill"}
	count := map[string]int{}
	for i := range max(*upheavals, len(kinds)) {
		kind, before := kinds[i%len(kinds)], s.settled(3)
		switch kind {
		case "roll":
			s.must("reload", "web")
		case "upgrade":
			s.must("upgrade", "web")
		case "kill":
			s.murder()
		}
		count[kind]++
		if after := s.settled(3); kind != "roll" && !slices.Equal(after, before) {
			t.Errorf("%s: the workers were %v and are %v", kind, before, after)
		}
	}
	t.Logf("%d requests answered on kept connections over %v", stop(), fmt.Sprint(count))
	end()
	if log := s.Journal("web.service"); strings.Contains(log, "unhealthy") {
		t.Errorf("a worker counted as ill:\n%s", log)
	}
	s.Systemctl("stop", "web.service")
}
