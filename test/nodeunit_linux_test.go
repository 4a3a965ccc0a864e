package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// TestUnitNode: SIGKILL for the master of Node workers again and again, under load on
// connections that are never closed, and masters that follow in good order. Before each a
// roll may be under way.
func TestUnitNode(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "")
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	app := fmt.Sprintf(`
require('node:http').createServer((request, response) => setTimeout(() => response.end(request.socket.remoteAddress), 2)).listen(%s, '127.0.0.1');
`, port)
	text := "name = \"web\"\ncommand = [\"node\", \"app.js\"]\nworkers = 2\ncanary = \"100ms\"\nwatch_binary = false\n"
	for name, text := range map[string]string{"app.js": app, "relevo.toml": text} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.Systemctl("start", "web.service")
	s.settled(2)
	var asked atomic.Int64
	stop := keepAsking(t, keptClients(t, 8, "127.0.0.", s.address), &asked)
	for i := range *upheavals {
		if i%4 == 3 {
			if code, said := s.relevo("reload", "web"); code != 0 {
				t.Fatalf("reload: %d %s", code, said)
			}
			s.settled(2)
		}
		before := s.settled(2)
		s.murder()
		if after := s.settled(2); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("the workers were %v and are %v", before, after)
		}
		if code, said := s.relevo("upgrade", "web"); code != 0 {
			t.Fatalf("upgrade: %d %s", code, said)
		}
	}
	t.Logf("%d requests answered over %d masters that were killed and as many upgrades", stop(), *upheavals)
	s.Systemctl("stop", "web.service")
}
