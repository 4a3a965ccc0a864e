package test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"relevo/internal/lazyregexp"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// scene is what a command line in the docs needs so that it can be run.
type scene struct {
	line     *lazyregexp.Regexp // what follows "relevo "
	programs []string
	files    map[string]string
	build    []string // packages of this module, built beside the files; NAME=PACKAGE gives another name
}

// scenes cover every command line that starts a master.
var scenes = []scene{
	{line: lazyregexp.New(`-- (\./go-sdk|\./go-activation)$`),
		build: []string{"./examples/go-sdk", "./examples/go-activation"}},
	{line: lazyregexp.New(`-- \./server( --http-fd.*| -port 3000)?$`), files: map[string]string{"go.mod": devModule,
		"main.go": flaggedServer}, build: []string{"server=."}},
	{line: lazyregexp.New(`-- node (examples/node/)?server\.mjs$`), programs: []string{"node"},
		files: map[string]string{"server.mjs": "examples/node/server.mjs",
			"examples/node/server.mjs": "examples/node/server.mjs"}},
	{line: lazyregexp.New(`-- python3 examples/python/server\.py$`), programs: []string{"python3"},
		files: map[string]string{"examples/python/server.py": "examples/python/server.py"}},
	{line: lazyregexp.New(`-- gunicorn `), programs: []string{"gunicorn"}, files: map[string]string{
		"app.py": "def app(environ, start):\n    start('200 OK', [])\n    return [b'hello']\n"}},
	{line: lazyregexp.New(`-- uvicorn `), programs: []string{"uvicorn"}, files: map[string]string{"app.py": asyncApp}},
	{line: lazyregexp.New(`-- puma `), programs: []string{"puma"}, files: map[string]string{
		"config.ru": "run lambda { |env| [200, {'Content-Type' => 'text/plain'}, ['hello']] }\n"}},
	{line: lazyregexp.New(`^serve`), files: map[string]string{"public/index.html": "hello",
		"dist/index.html": "hello"}},
	{line: lazyregexp.New(`^dev( \./cmd/shop( -- .*)?)?$`), files: map[string]string{
		"go.mod": devModule, "main.go": flaggedServer, "cmd/shop/main.go": goServer("hello", "")}},
	{line: lazyregexp.New(`^dev .*-- python3 app\.py$`), programs: []string{"python3"},
		files: map[string]string{"app.py": pythonServer("hello")}},
	{line: lazyregexp.New(`^dev --build 'npm run build'`), programs: []string{"node", "npm"}, files: map[string]string{
		"package.json":  `{"scripts":{"build":"mkdir -p dist && cp src/server.js dist/"}}`,
		"src/server.js": nodeServer}},
	{line: lazyregexp.New(`^(dev|run -i 4) app\.js$`), programs: []string{"node"},
		files: map[string]string{"app.js": nodeServer}},
	{line: lazyregexp.New(`^run -n 4 -- node app\.js$`), programs: []string{"node"},
		files: map[string]string{"app.js": portServer}},
	{line: lazyregexp.New(`^run -n 4 -- python3 -m http\.server 3000$`), programs: []string{"python3"}},
	{line: lazyregexp.New(`^run npm start$`), programs: []string{"node"}, files: map[string]string{
		"app.js": nodeServer, "package.json": `{"scripts":{"start":"node app.js"}}`}},
	{line: lazyregexp.New(`^dev --build 'cc `), programs: []string{"cc"},
		files: map[string]string{"main.c": serverInC}},
}

const nodeServer = "require('http').createServer((q, r) => r.end('hello')).listen({fd: 3})\n"

// portServer binds its own port.
const portServer = "require('http').createServer((q, r) => r.end('hello')).listen(3000)\n"

const asyncApp = `async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
`

// flaggedServer gets the descriptors of its listeners, or its port, by flags. It does without net/http, with which a
// build takes twice the processor time.
const flaggedServer = `package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
)

func main() {
	web, admin, port := flag.Int("http-fd", 3, ""), flag.Int("admin-fd", 0, ""), flag.Int("port", 0, "")
	flag.Parse()
	if *port != 0 {
		serve(net.Listen("tcp", fmt.Sprintf(":%d", *port)))
	}
	if *admin != 0 {
		go serve(net.FileListener(os.NewFile(uintptr(*admin), "listener")))
	}
	serve(net.FileListener(os.NewFile(uintptr(*web), "listener")))
}

func serve(listener net.Listener, err error) {
	for err == nil {
		var client net.Conn
		if client, err = listener.Accept(); err == nil {
			client.Read(make([]byte, 64<<10))
			fmt.Fprint(client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
			client.Close()
		}
	}
	log.Fatal(err)
}
`

const serverInC = `#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
	int fd = count > 2 ? atoi(words[2]) : 3;
	struct pollfd waits = {fd, POLLIN, 0};
	const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
	char request[4096];
	for (;;) {
		poll(&waits, 1, -1);
		int client = accept(fd, 0, 0);
		if (client < 0)
			continue;
		if (read(client, request, sizeof request) > 0 && write(client, answer, sizeof answer - 1) < 0)
			return 1;
		close(client);
	}
}
`

// TestShownCommandLines runs the command lines that the pages, help, examples and advice show, with
// the real programs. A new line needs a scene. Blocks with a session belong to TestShownSessions.
func TestShownCommandLines(t *testing.T) {
	takesLong(t)
	t.Parallel()
	lines := shownLines(t)
	if len(lines) < 15 {
		t.Fatalf("only %d lines are shown: %q", len(lines), lines)
	}
	covered, builds := map[int]bool{}, &sharedBuilds{dir: t.TempDir(), built: map[string]error{}}
	for _, line := range lines {
		i := slices.IndexFunc(scenes, func(s scene) bool { return s.line.MatchString(line) })
		if i < 0 {
			t.Errorf("relevo %s: it needs a scene", line)
			continue
		}
		covered[i] = true
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			scenes[i].play(t, line, builds)
		})
	}
	if len(covered) != len(scenes) {
		t.Errorf("%d of %d scenes have a line: %v", len(covered), len(scenes), covered)
	}
}

// adviceLines are the command lines in the advice of launch/advice, as whole lines.
var adviceLines = []string{
	"run -l :8000 -- gunicorn app:app", "run -l :8000 -- uvicorn --fd {fd} app:app",
	"run -l :8000 -- puma -b tcp://{addr} config.ru",
}

var shown = lazyregexp.New(`(?:^|[\s"])(?:\./)?relevo ((?:run|serve|dev)\b[^"]*)$`)

// shownLines returns the command lines that start a master, without "relevo " and without the
// explanation, which follows after three spaces.
func shownLines(t *testing.T) []string {
	t.Helper()
	lines := map[string]bool{}
	add := func(line string) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		if found := shown.FindStringSubmatch(strings.Trim(line, `"`)); found != nil && !strings.Contains(line, "ExecStart") {
			command, _, _ := strings.Cut(found[1], "   ")
			lines[strings.TrimSpace(command)] = true
		}
	}
	for _, page := range userPages(t) {
		blocks, _ := fenced(read(t, page))
		for _, b := range blocks {
			for _, line := range b.lines {
				if b.info != "console" && strings.HasPrefix(strings.TrimLeft(line, "$ ./"), "relevo ") {
					add(line)
				}
			}
		}
	}
	s := emptySite(t)
	for _, command := range []string{"", "run", "serve", "dev"} {
		_, help := s.relevo(append(strings.Fields(command), "--help")...)
		_, examples, _ := strings.Cut(help, "Examples:\n")
		examples, _, _ = strings.Cut(examples, "\n\n")
		for line := range strings.Lines(examples) {
			add(line)
		}
	}
	for _, example := range []string{"go-sdk/main.go", "go-activation/main.go", "node/server.mjs", "python/server.py"} {
		usage, _, _ := strings.Cut(read(t, "examples/"+example), "\n")
		add(usage)
	}
	for _, line := range adviceLines {
		lines[line] = true
	}
	return slices.Sorted(maps.Keys(lines))
}

var address = lazyregexp.New(`-l ((?:\w+=)?)(unix:)?[^ ,]+`)

func answers(address string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: tooLong}
	response, err := client.Get("http://" + address + "/")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && len(body) > 0
}

// bindsPort says whether a file of the scene binds the port of the shown programs.
func (c scene) bindsPort() bool {
	for _, text := range c.files {
		if strings.Contains(text, "listen(3000)") {
			return true
		}
	}
	return false
}

// sharedBuilds builds each program once: all scenes with their own package have the same one.
type sharedBuilds struct {
	dir   string
	mu    sync.Mutex
	built map[string]error // by package
}

// put puts the program of a package in place. The package "." is in the directory of the program.
func (b *sharedBuilds) put(path, pkg string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	program := filepath.Join(b.dir, filepath.Base(path))
	if _, done := b.built[pkg]; !done {
		build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", program, pkg)
		if pkg == "." {
			build.Dir = filepath.Dir(path)
		}
		out, err := build.CombinedOutput()
		if b.built[pkg] = err; err != nil {
			b.built[pkg] = fmt.Errorf("go build %s: %w: %s", pkg, err, out)
		}
	}
	if err := b.built[pkg]; err != nil {
		return err
	}
	return os.Link(program, path)
}

// play runs the line in a shell, on free ports, until it answers.
func (c scene) play(t *testing.T, line string, builds *sharedBuilds) {
	for _, program := range c.programs {
		testreq.Program(t, program)
	}
	s := newDevSite(t, nil)
	_, port, _ := strings.Cut(testport.Address(t), ":") // instead of 3000
	if err := os.MkdirAll(s.src, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range c.files {
		if strings.HasPrefix(text, "examples/") {
			text = read(t, text)
		}
		s.save(name, strings.ReplaceAll(text, "listen(3000)", "listen("+port+")"))
	}
	for _, built := range c.build {
		name, pkg, named := strings.Cut(built, "=")
		if !named {
			name, pkg = filepath.Base(built), built
		}
		if err := builds.put(filepath.Join(s.src, name), pkg); err != nil {
			t.Fatal(err)
		}
	}
	verb, rest, _ := strings.Cut(line, " ")
	free := address.ReplaceAllStringFunc(rest, func(option string) string {
		parts := address.FindStringSubmatch(option)
		if parts[2] != "" {
			return "-l " + parts[1] + "unix:" + filepath.Join(s.dir, "app.sock")
		}
		return "-l " + parts[1] + "127.0.0.1:0"
	})
	if own := strings.ReplaceAll(rest, " 3000", " "+port); own != rest || c.bindsPort() {
		free = own
	} else if free == rest {
		free = "-l 127.0.0.1:0 " + rest
	}
	s.master = exec.Command("/bin/sh", "-c", "exec "+s.program+" "+verb+" --name site "+free)
	s.master.Dir, s.master.Env, s.master.Stdout, s.master.Stderr = s.src, append(s.env, "PWD="+s.src), s.log, s.log
	s.begin()
	s.await("the answer", func() bool {
		status, err := s.client.Status(context.Background())
		return err == nil && status.State == "running" && len(status.Listeners) > 0 && answers(status.Listeners[0].Address)
	})
}
