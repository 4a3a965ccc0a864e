package test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"relevo/internal/testport"
	"relevo/internal/testpty"
	"relevo/internal/testreq"
)

// TestDevScript: with a script or a package no flag is needed. The script binds its own port, and
// relevo shows that address.
func TestDevScript(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "python3")
	one, other := testport.Free(t), testport.Free(t)
	for name, files := range map[string]map[string]string{
		"script": {"app.py": pythonOwn("one", one), "unused.py": ""},
		"package": {"package.json": `{"name": "site", "scripts": {"start": "python3 $npm_package_config_file.py"}, ` +
			`"config": {"file": "app"}}`,
			"app.py": pythonOwn("one", other), "index.js": "throw 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDevSite(t, files)
			terminal := testpty.Open(t)
			s.master = exec.Command(s.program, "dev", "--name", "site")
			s.master.Dir, s.master.Env = s.src, append(s.env, "PWD="+s.src, "TERM=xterm", "NO_COLOR=1")
			s.master.Stdin, s.master.Stdout, s.master.Stderr = terminal.Slave, terminal.Slave, terminal.Slave
			s.master.SysProcAttr = testpty.Session()
			s.begin()
			s.await("the captured port", func() bool { l := s.status().Listeners; return len(l) == 1 && l[0].Captured })
			s.serves("one")
			terminal.Await("▸ started")
			s.save("app.py", strings.ReplaceAll(files["app.py"], "one", "two"))
			s.serves("two")
		})
	}
}

// pythonOwn is a server that binds its own port, the same one at every start.
func pythonOwn(text string, port int) string {
	return `import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'` + text + `')
http.server.HTTPServer(('127.0.0.1', ` + strconv.Itoa(port) + `), H).serve_forever()
`
}
