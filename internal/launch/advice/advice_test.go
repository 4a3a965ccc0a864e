package advice

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTakeOver: a program is recognized in every way to start it.
func TestTakeOver(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "serve")
	write(t, tool, "#!/usr/bin/env node\nrequire('http')\n")
	for line, want := range map[string]string{
		"node server.js":                   "listen({fd: 4})",
		"/usr/bin/nodejs --inspect app.js": "listen({fd: 4})",
		"env NODE_ENV=production node app": "listen({fd: 4})",
		"python3.12 app.py":                "fileno=4",
		"python3 -m uvicorn app:app":       "uvicorn --fd {fd}",
		"python3 -u /usr/bin/gunicorn a:b": "leave --bind away",
		"/venv/bin/gunicorn -b :80 a:b":    "leave --bind away",
		"puma -p 3000":                     "-b tcp://{addr}",
		"./app":                            "LISTEN_FDS",
		tool:                               "listen({fd: 4})",
	} {
		c := Command{Args: strings.Fields(line), Dir: dir, Path: strings.Fields(line)[0]}
		if got := c.TakeOver(4, "127.0.0.1:80"); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", line, got, want)
		}
	}
}

func TestWrapper(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "package.json"), `{"scripts":{"start":"node server.js","web":"vite"}}`)
	write(t, filepath.Join(dir, "start.sh"), "#!/bin/bash\nset -e\nnode server.js\n")
	write(t, filepath.Join(dir, "good.sh"), "#!/bin/bash\nset -e\nexec node server.js\n")
	c := func(args ...string) Command {
		path := args[0]
		if strings.HasPrefix(path, "./") {
			path = filepath.Join(dir, path)
		}
		return Command{Args: args, Dir: dir, Path: path}
	}
	for _, test := range []struct {
		command Command
		want    string // empty: it is no wrapper
	}{
		{c("npm", "start"), "node server.js"},
		{c("npm", "run", "web"), "vite"},
		{c("yarn", "--silent", "web"), "vite"},
		{c("pnpm", "run", "other"), "package.json has for other"},
		{c("npx", "serve", "-l", "80"), "node_modules/.bin/serve -l 80"},
		{c("tsx", "watch.ts"), "node --import tsx watch.ts"},
		{c("uv", "run", "gunicorn", "a:b"), ".venv/bin/gunicorn a:b"},
		{c("go", "run", "./cmd/x"), "go build -o app ./cmd/x"},
		{c("timeout", "-k", "5", "./app"), "leave it away"},
		{c("sudo", "-u", "www", "./app"), "--user"},
		{c("sh", "-c", "./app; cleanup"), "exec"},
		{c("bash", "-ec", "cd x && exec ./app"), ""},
		{c("sh", "-c", "exec ./app"), ""},
		{c("bash", "start.sh"), "in start.sh"},
		{c("./start.sh"), "in ./start.sh"},
		{c("./good.sh"), ""},
		{c("bash", "-e", "good.sh"), ""},
		{c("env", "A=1", "npm", "start"), "node server.js"},
		{c("node", "server.js"), ""},
		{c("./app"), ""},
	} {
		name, instead, ok := test.command.Wrapper()
		if ok != (test.want != "") || !strings.Contains(instead, test.want) || ok && name == "" {
			t.Errorf("%q: %q, %q, %v, want %q", test.command.Args, name, instead, ok, test.want)
		}
	}
	for name, want := range map[string]bool{"npm start": true, "sh": true, "bash": true, "node": false,
		"gunicorn": false} {
		if IsWrapper(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestTaken reads what programs print when an address is in use.
func TestTaken(t *testing.T) {
	for said, port := range map[string]int{
		"Error: listen EADDRINUSE: address already in use 127.0.0.1:3000":                                      3000,
		"Error: listen EADDRINUSE: address already in use :::3000":                                             3000,
		"  code: 'EADDRINUSE',\n  errno: -98,\n  syscall: 'listen',\n  address: '127.0.0.1',\n  port: 3000\n}": 3000,
		"listen tcp :3000: bind: address already in use":                                                       3000,
		"[Errno 98] error while attempting to bind on address ('127.0.0.1', 3000): address already in use":     3000,
		"OSError: [Errno 98] Address already in use":                                                           0,
		"Address already in use\nPort 3000 is in use by another program.":                                      3000,
		"[ERROR] Connection in use: ('127.0.0.1', 3000)":                                                       3000,
		"nginx: [emerg] bind() to 0.0.0.0:3000 failed (98: Address already in use)":                            3000,
		"Address already in use - bind(2) for \"127.0.0.1\" port 3000 (Errno::EADDRINUSE)":                     3000,
		"Web server failed to start. Port 3000 was already in use.":                                            3000,
		"Error: Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }":                         0,
		"Failed to listen on 127.0.0.1:3000 (reason: Address already in use)":                                  3000,
		"Failed to bind to address http://127.0.0.1:3000: address already in use.":                             3000,
	} {
		ports, found := Taken(strings.Split(said, "\n"))
		if !found || port != 0 && !slices.Contains(ports, port) {
			t.Errorf("%q: %v, %v", said, ports, found)
		}
	}
	for _, said := range []string{"connected to 127.0.0.1:3000", "ENOENT: no such file", "the name is in use"} {
		if _, found := Taken([]string{said}); found {
			t.Errorf("%q counts as an address in use", said)
		}
	}
}

func TestNoListener(t *testing.T) {
	for said, want := range map[string]bool{
		"OSError: [Errno 9] Bad file descriptor":                                       true,
		"Error: listen EINVAL: invalid argument":                                       true,
		"Error: open EBADF":                                                            true,
		"fcntl: bad file descriptor":                                                   true,
		"listen: Socket operation on non-socket":                                       true,
		"Error: Os { code: 9, kind: Uncategorized, message: \"Bad file descriptor\" }": true,
		"OSError: [Errno 98] Address already in use":                                   false,
		"Error: connect EINVAL 0.0.0.0:99":                                             false,
		"TypeError: Invalid argument":                                                  false,
	} {
		if NoListener([]string{"first", said}) != want {
			t.Errorf("%q: %v", said, !want)
		}
	}
}

func TestWouldBlock(t *testing.T) {
	for said, want := range map[string]bool{
		"BlockingIOError: [Errno 11] Resource temporarily unavailable":                            true,
		"accept: Resource temporarily unavailable":                                                true,
		"Error: Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }": true,
		"IO::EAGAINWaitReadable: Resource temporarily unavailable - recvfrom(2) would block":      true,
		"OSError: [Errno 111] Connection refused":                                                 false,
		"error 110": false,
	} {
		if WouldBlock([]string{"first", said}) != want {
			t.Errorf("%q: %v", said, !want)
		}
	}
}

func TestUnprivileged(t *testing.T) {
	for said, want := range map[string]bool{
		"sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.":       true,
		"sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set": true,
		"su: must be suid to work properly":                                      true,
		"sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set": true,
		"sudo: a password is required":                                           false,
	} {
		if Unprivileged([]string{"first", said}) != want {
			t.Errorf("%s: %v", said, !want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
