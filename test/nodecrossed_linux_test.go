package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// idApp reports its number in Node's cluster, receives messages, and ends only when it is
// disconnected.
const idApp = `
const cluster = require('node:cluster'), fs = require('node:fs');
require('node:http').createServer((request, response) => response.end(process.pid + ' ' + cluster.worker.id + '\n'))
  .listen(PORT, '127.0.0.1');
const leave = (name, text) => fs.writeFileSync(name + '-' + process.pid, String(text));
process.on('message', message => { if (message.mark) leave(message.mark, 'heard'); });
process.on('disconnect', () => leave('disconnected', cluster.worker.exitedAfterDisconnect));
process.on('SIGTERM', () => {});
`

// left waits for the files that workers write.
func (s *unitSite) left(name, want string, pids []int) {
	s.t.Helper()
	for _, pid := range pids {
		path := filepath.Join(s.Dir, fmt.Sprintf("%s-%d", name, pid))
		var text []byte
		s.Await("a worker's file "+name, func() bool {
			text, _ = os.ReadFile(path)
			return len(text) > 0
		})
		if string(text) != want {
			t := s.t
			t.Errorf("%s of worker %d: %q, want %q", name, pid, text, want)
		}
	}
}

// TestNodeMasterChanged: a Node worker does not notice that its master was replaced or killed: its
// number, its messages and its disconnection work as before.
func TestNodeMasterChanged(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := nodeUnit(t, idApp, "workers = 2\n")
	s.Systemctl("start", "web.service")
	pids := s.settled(2)
	numbers := func() (n map[string]string) {
		n = map[string]string{}
		s.Await("both workers to answer", func() bool {
			said, err := fetch(s.address, "/")
			if fields := strings.Fields(said); err == nil && len(fields) == 2 {
				n[fields[0]] = fields[1]
			}
			return len(n) == 2
		})
		return n
	}
	before := fmt.Sprint(numbers())
	upgrade := func() { s.must("upgrade", "web") }
	for i, change := range []func(){upgrade, s.murder, s.murder, upgrade} {
		change()
		s.settled(2)
		if after := fmt.Sprint(numbers()); after != before {
			t.Errorf("change %d: the workers' numbers were %s, and are %s", i, before, after)
		}
		mark := fmt.Sprint("mark", i)
		s.must("send", "web", `{"mark":"`+mark+`"}`)
		s.left(mark, "heard", pids)
		if i == 1 || i == 3 { // by the master after a killed one, and by the one after that
			s.must("reload", "web")
			s.left("disconnected", "true", pids)
			pids = s.settled(2)
			before = fmt.Sprint(numbers())
		}
	}
	s.Systemctl("stop", "web.service")
}
