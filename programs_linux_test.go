package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"relevo/internal/testreq"
	"relevo/prove"
)

var (
	programRolls    = flag.Int("program-rolls", 1, "how often TestPrograms rolls each program")
	programRequests = flag.Int("program-requests", 100, "how many requests of each kind TestPrograms makes at least")
)

// unmodified is a program as its own quick start has it: it binds its own port, and
// nothing of relevo is in it.
type unmodified struct {
	name    string
	needs   string            // the program that has to be installed
	module  string            // of Python, likewise
	files   map[string]string // what lies beside it
	command string            // PORT stands for the port
	workers int
}

const (
	wsgi = "def app(env, start):\n    start('200 OK', [('Content-Length', '3')])\n    return [b'ok\\n']\n"
	asgi = `async def app(scope, receive, send):
    if scope['type'] == 'http':
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'3')]})
        await send({'type': 'http.response.body', 'body': b'ok\n'})
`
	rack    = "run ->(env) { [200, {'Content-Type' => 'text/plain', 'Content-Length' => '3'}, [\"ok\\n\"]] }\n"
	flask   = "from flask import Flask\napp = Flask(__name__)\n\n@app.route('/')\ndef index():\n    return 'ok\\n'\n"
	aiohttp = `from aiohttp import web

async def index(request):
    return web.Response(text='ok\n')

def init(argv):
    app = web.Application()
    app.router.add_get('/', index)
    return app
`
	nginx = `daemon off; worker_processes 2; pid nginx.pid; error_log stderr;
events {}
http { access_log off; server { listen 127.0.0.1:PORT; location / { return 200 "ok\n"; } } }
`
	haproxy = `defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend f
  bind 127.0.0.1:PORT
  http-request return status 200 content-type text/plain string ok
`
)

var programs = []unmodified{
	{name: "Go net/http", command: "./app 127.0.0.1:PORT", workers: 4},
	{name: "node http", needs: "node", command: "node app.js", workers: 4,
		files: map[string]string{"app.js": "require('http').createServer((q, r) => r.end('ok\\n')).listen(PORT)\n"}},
	{name: "python3 -m http.server", needs: "/usr/bin/python3", command: "/usr/bin/python3 -m http.server PORT", workers: 4},
	{name: "gunicorn", needs: "gunicorn", command: "gunicorn -b 127.0.0.1:PORT wsgi:app", workers: 4, files: map[string]string{"wsgi.py": wsgi}},
	{name: "gunicorn -w 2", needs: "gunicorn", command: "gunicorn -w 2 -b 127.0.0.1:PORT wsgi:app", workers: 2, files: map[string]string{"wsgi.py": wsgi}},
	{name: "uvicorn", needs: "uvicorn", command: "uvicorn --port PORT asgi:app", workers: 4, files: map[string]string{"asgi.py": asgi}},
	{name: "uvicorn --workers 2", needs: "uvicorn", command: "uvicorn --workers 2 --port PORT asgi:app", workers: 2, files: map[string]string{"asgi.py": asgi}},
	{name: "flask run", needs: "/usr/bin/python3", module: "flask", command: "/usr/bin/python3 -m flask --app flaskapp run -p PORT", workers: 2, files: map[string]string{"flaskapp.py": flask}},
	{name: "aiohttp", needs: "/usr/bin/python3", module: "aiohttp", command: "/usr/bin/python3 -m aiohttp.web -H 127.0.0.1 -P PORT aioapp:init", workers: 2,
		files: map[string]string{"aioapp.py": aiohttp}},
	{name: "puma", needs: "puma", command: "puma -b tcp://127.0.0.1:PORT config.ru", workers: 2, files: map[string]string{"config.ru": rack}},
	{name: "puma -w 2", needs: "puma", command: "puma -w 2 -b tcp://127.0.0.1:PORT config.ru", workers: 2, files: map[string]string{"config.ru": rack}},
	{name: "php -S", needs: "php", command: "php -S 127.0.0.1:PORT index.php", workers: 2, files: map[string]string{"index.php": "<?php echo \"ok\\n\";\n"}},
	{name: "nginx, 2 processes", needs: "nginx", command: "nginx -p . -c nginx.conf", workers: 2, files: map[string]string{"nginx.conf": nginx}},
	{name: "haproxy", needs: "haproxy", command: "haproxy -db -f haproxy.cfg", workers: 2, files: map[string]string{"haproxy.cfg": haproxy}},
	{name: "caddy respond", needs: "caddy", command: "caddy respond --listen 127.0.0.1:PORT ok", workers: 2},
}

// TestPrograms rolls programs that know nothing of relevo, under load. With -v it prints
// the table of docs/any-program.md:
//
//	go test -run TestPrograms -v . -program-rolls 5 -program-requests 20000
func TestPrograms(t *testing.T) {
	reports := make([]*prove.Report, len(programs))
	t.Run("rolled", func(t *testing.T) {
		for i, p := range programs {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				reports[i] = p.test(t)
			})
		}
	})
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "program\tworkers\treplaced\tfresh\tlost\tslowest\tkept alive\tlost\tslowest")
	for i, p := range programs {
		if r := reports[i]; r != nil {
			fmt.Fprintf(rows, "%s\t%d\t%d\t%d\t%d\t%.0f ms\t%d\t%d\t%.0f ms\n", p.name, p.workers, r.Rolls.Replaced,
				r.Fresh.OK, r.Fresh.Lost.Total(), milliseconds(r.Fresh), r.KeepAlive.OK, r.KeepAlive.Lost.Total(), milliseconds(r.KeepAlive))
		}
	}
	rows.Flush()
	t.Logf("\n%s", &table)
}

// test fails if a request was lost.
func (p unmodified) test(t *testing.T) *prove.Report {
	if p.needs != "" {
		testreq.Program(t, p.needs)
	}
	if p.module != "" && exec.Command(p.needs, "-c", "import "+p.module).Run() != nil {
		testreq.Missing(t, "Python's module "+p.module+" is not installed")
	}
	r := p.prove(t)
	if lost := r.Fresh.Lost.Total(); lost > 0 {
		t.Errorf("%d of %d requests on fresh connections are lost: %+v", lost, r.Fresh.Sent, r.Samples)
	}
	if lost := r.KeepAlive.Lost.Total(); lost > 0 {
		t.Errorf("%d of %d requests on kept-alive connections are lost: %+v", lost, r.KeepAlive.Sent, r.Samples)
	}
	if r.Rolls.Failed > 0 || r.Rolls.Done < *programRolls || r.Rolls.Replaced != r.Rolls.Done*p.workers {
		t.Errorf("rolls %+v; want %d of %d workers at least", r.Rolls, *programRolls, p.workers)
	}
	return &r
}

func milliseconds(f *prove.Figures) float64 { return float64(f.Latency.Slowest) / 1e6 }

// prove runs the program and rolls it under load.
func (p unmodified) prove(t *testing.T) (r prove.Report) {
	_, port, _ := strings.Cut(freePort(t), ":")
	s := emptySite(t)
	s.release("1", "binds")
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(strings.ReplaceAll(text, "PORT", port)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"run", "--name", "site", "-n", strconv.Itoa(p.workers), "--canary", "100ms", "--watch-binary=false", "--"}
	s.start(append(args, strings.Fields(strings.ReplaceAll(p.command, "PORT", port))...)...)
	// A program that takes its time is taken as one that serves nobody, at first.
	s.await("the program to bind its port", func() bool { return len(s.status().Listeners) > 0 })
	code, said := s.relevo("prove", "site", "--json", "--url", "http://127.0.0.1:"+port+"/", "--clients", "4",
		"--rolls", strconv.Itoa(*programRolls), "--min-requests", strconv.Itoa(*programRequests), "--timeout", tooLong.String())
	_, document, found := strings.Cut(said, "{")
	if !found || json.Unmarshal([]byte("{"+document), &r) != nil || r.Rolls == nil {
		t.Fatalf("relevo prove: exit code %d: %s", code, said)
	}
	s.stop()
	return r
}
