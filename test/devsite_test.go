package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/internal/procfs"
)

// devSite is a directory of a developer in which `relevo dev` runs.
type devSite struct {
	*site
	src string
}

// newDevSite is a directory with files, in which nothing runs yet.
func newDevSite(t *testing.T, files map[string]string) *devSite {
	t.Helper()
	s := &devSite{site: emptySite(t)}
	s.src = filepath.Join(s.dir, "src")
	for name, text := range files {
		s.save(name, text)
	}
	return s
}

// save writes a file as many editors do: beside the old one, and then renamed over it.
func (s *devSite) save(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.src, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".swx")
	if err := os.WriteFile(temp, []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		s.t.Fatal(err)
	}
}

// dev starts `relevo dev` and waits until it answers, whether anything serves or not.
func (s *devSite) dev(args ...string) {
	s.t.Helper()
	s.master = exec.Command(s.program, append([]string{"dev", "--name", "site", "-l", "127.0.0.1:0"}, args...)...)
	s.master.Dir, s.master.Env, s.master.Stdout, s.master.Stderr = s.src, append(s.env, "PWD="+s.src), s.log, s.log
	s.begin()
}

// begin starts the master and waits for its control socket.
func (s *devSite) begin() {
	s.t.Helper()
	s.site.begin()
	s.await("the control socket", func() bool {
		client, err := control.Connect(context.Background(), filepath.Join(s.dir, "run", "site.sock"))
		s.client = client
		return err == nil
	})
}

// get sends a request on a new connection. If nothing serves yet, it waits.
func (s *devSite) get() string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: tooLong}
	response, err := client.Get("http://" + s.address() + "/")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(body))
}

func (s *devSite) address() string {
	s.t.Helper()
	return s.status().Listeners[0].Address
}

// serves waits until the answer is this.
func (s *devSite) serves(want string) {
	s.t.Helper()
	got := ""
	s.await("the answer "+want, func() bool { got = s.get(); return got == want })
}

// says waits until the terminal has shown a text, at any time since the start.
func (s *devSite) says(text string) {
	s.t.Helper()
	s.await(fmt.Sprintf("%q on the terminal", text), func() bool { return strings.Contains(s.log.String(), text) })
}

// warns waits until status has exactly this warning.
func (s *devSite) warns(of string) {
	s.t.Helper()
	s.await("the status to warn of "+of, func() bool {
		warnings := s.status().Warnings
		return len(warnings) == 1 && strings.Contains(warnings[0], of)
	})
}

// count returns how often the terminal has shown a text.
func (s *devSite) count(text string) int { return strings.Count(s.log.String(), text) }

// quiet waits until dev has done nothing for a while: no output, no build and no roll. The while is
// long enough for an unwanted build to begin.
func (s *devSite) quiet() {
	s.t.Helper()
	last, since := s.log.String(), time.Now()
	s.await("silence", func() bool {
		if now := s.log.String(); now != last || s.works() {
			last, since = now, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond
	})
}

// works says whether the master rolls, or has a child that is not a worker: on a busy machine a
// build may run for a long time without output.
func (s *devSite) works() bool {
	status := s.status()
	children, _ := procfs.Of(status.PID).Children()
	for _, w := range status.Workers {
		children = slices.DeleteFunc(children, func(pid int) bool { return pid == w.PID })
	}
	return len(children) > 0 || status.State == "rolling"
}

const devModule = "module devsite\n\ngo 1.26\n"

// goServer is a program that answers with a text. extra is put into its main before it serves. It does without
// net/http, with which a build takes twice the processor time.
func goServer(text, extra string) string {
	return fmt.Sprintf(`package main

import (
	"fmt"
	"net"
	"os"
)


func main() {
	%s
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	accept := listener.Accept
	for client, err := accept(); err == nil; client, err = accept() {
		go answer(client)
	}
}

func answer(client net.Conn) {
	defer client.Close()
	if _, err := client.Read(make([]byte, 64<<10)); err == nil {
		fmt.Fprint(client, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n", %q, "\n")
	}
}
`, extra, http.DetectContentType([]byte(text)), text)
}

// pythonServer is the same in a language without a build.
func pythonServer(text string) string {
	return fmt.Sprintf(`import http.server, os, socket
listener = socket.socket(fileno=3)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(%q.encode())
    def log_message(self, *args): pass
server = http.server.HTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket = listener
server.serve_forever()
`, text)
}
