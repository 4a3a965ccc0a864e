package test

import (
	"os"
	"strings"
	"testing"

	"relevo/internal/testreq"
)

// TestCompatPM2: a program written for PM2 is ready when it says so, knows its instance number, and
// is told before it has to end.
func TestCompatPM2(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "node")
	for name, handler := range map[string]string{
		"SIGINT": "process.on('SIGINT', () => { console.log('heard SIGINT'); process.exit(0) })",
		"shutdown": "process.on('message', m => { if (m === 'shutdown') { console.log('heard shutdown'); " +
			"process.exit(0) } })",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := emptySite(t)
			s.must(os.WriteFile(s.at("app.js"), []byte(handler+`
const wait = () => require('node:fs').existsSync('go') ? process.send('ready') : setTimeout(wait, 10);
require('node:http').createServer((q, r) => r.end(process.env.pm_id + process.env.NODE_APP_INSTANCE))
  .listen(0, '127.0.0.1', wait);
`), 0o644))
			s.run("run", "--name", "site", "-n", "2", "--compat", "pm2", "--ready", "ipc", "--watch-binary=false", "--env",
				"NODE_APP_INSTANCE=i{slot}", "--ready-timeout", tooLong.String(), "--", "node", "app.js")
			s.await("two servers that do not serve yet", func() bool {
				code, said := s.relevo("status", "site", "--json")
				return code == 0 && strings.Count(said, `"starting"`) == 2 && strings.Contains(said, `"address"`)
			})
			s.must(os.WriteFile(s.at("go"), nil, 0o644))
			s.serves()
			s.settled(2)
			s.await("both instances", func() bool {
				one, _ := fetch(s.status().Listeners[0].Address, "/")
				two, _ := fetch(s.status().Listeners[0].Address, "/")
				return one+two == "0i01i1" || one+two == "1i10i0"
			})
			s.stop()
			if n := strings.Count(s.log.String(), "heard "+name); n != 2 {
				t.Errorf("%d workers received %s", n, name)
			}
		})
	}
}
