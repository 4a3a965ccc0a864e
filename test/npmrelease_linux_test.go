package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// npmSite is a directory of a user who gets relevo from a registry of the test.
type npmSite struct {
	*site
	registry string
}

func newNPMSite(t *testing.T) *npmSite {
	t.Helper()
	for _, program := range []string{"npm", "npx", "node"} {
		testreq.Program(t, program)
	}
	s := &npmSite{site: emptySite(t), registry: serveRegistry(t, releaseFiles(t, "1.0.0"))}
	s.env = append(s.env, "npm_config_registry="+s.registry, "npm_config_cache="+filepath.Join(s.dir, "cache"),
		"npm_config_update_notifier=false", "npm_config_audit=false", "npm_config_fund=false", "npm_config_yes=true")
	// What a site has beside the apps, instead of the relevo of the tests.
	s.must(os.Remove(s.program))
	s.must(os.WriteFile(filepath.Join(s.dir, "package.json"), []byte(`{"private":true}`), 0o644))
	return s
}

// serveRegistry serves the npm packages in a directory as the registry does.
func serveRegistry(t *testing.T, dir string) (url string) {
	t.Helper()
	documents := map[string][]byte{} // by decoded paths: npm asks for /@relevo%2flinux-x64
	files := http.StripPrefix("/-/", http.FileServer(http.Dir(dir)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if document := documents[r.URL.Path]; document != nil {
			w.Write(document)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 2 {
		t.Fatalf("packages of npm: %v, %v", archives, err)
	}
	for _, archive := range archives {
		out, err := exec.Command("tar", "-xOf", archive, "package/package.json").Output()
		manifest := map[string]any{}
		if err == nil {
			err = json.Unmarshal(out, &manifest)
		}
		if err != nil {
			t.Fatalf("%s: %v", archive, err)
		}
		if manifest["scripts"] != nil {
			t.Errorf("%s has scripts", archive)
		}
		name, version := manifest["name"].(string), manifest["version"].(string)
		manifest["dist"] = map[string]any{"tarball": server.URL + "/-/" + filepath.Base(archive)}
		documents["/"+name], _ = json.Marshal(map[string]any{"name": name, "dist-tags": map[string]any{"latest": version},
			"versions": map[string]any{version: manifest}})
	}
	return server.URL
}

// run runs a program to its end.
func (s *npmSite) run(name string, args ...string) (code int, said string) {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

const npmApp = `
require('node:http').createServer((request, response) => response.end('pid ' + process.pid)).listen(%s);`

// TestNPX: with nothing installed, npx fetches relevo and starts an app in the background. The exit
// codes are those of relevo.
func TestNPX(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newNPMSite(t)
	address := testport.Address(t)
	_, port, _ := strings.Cut(address, ":")
	s.must(os.WriteFile(filepath.Join(s.dir, "app.js"), fmt.Appendf(nil, npmApp, port+", '127.0.0.1'"), 0o644))
	t.Cleanup(func() { s.run("npx", "relevo", "stop", "all", "--force") })
	if code, out := s.run("npx", "relevo", "start", "app.js", "-n", "2", "--name", "shop"); code != 0 {
		t.Fatalf("npx relevo start: exit code %d: %s", code, out)
	}
	if body, err := fetch(address, "/"); err != nil || !strings.HasPrefix(body, "pid ") {
		t.Errorf("the app answers %q, %v", body, err)
	}
	if code, out := s.run("npx", "relevo", "reload", "shop"); code != 0 || !strings.Contains(out, "generation 2 serves") {
		t.Errorf("reload: exit code %d: %s", code, out)
	}
	if code, out := s.run("npx", "relevo", "reload", "nothing"); code != 3 {
		t.Errorf("reload of an app that does not run: exit code %d: %s", code, out)
	}
	if code, out := s.run("npx", "relevo", "stop", "shop"); code != 0 {
		t.Errorf("stop: exit code %d: %s", code, out)
	}
}

// TestNPMLeftOut: without the package of the platform, and on a platform that has none, the message
// says why, and what to do.
func TestNPMLeftOut(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newNPMSite(t)
	if code, out := s.run("npm", "install", "--omit=optional", "relevo"); code != 0 {
		t.Fatalf("npm install: exit code %d: %s", code, out)
	}
	code, out := s.run("node_modules/.bin/relevo", "version")
	if code != 1 || !strings.Contains(out, "is not installed") || !strings.Contains(out, "--omit=optional") {
		t.Errorf("without optional dependencies: exit code %d: %s", code, out)
	}
	s.must(os.WriteFile(filepath.Join(s.dir, "mips.js"),
		[]byte("Object.defineProperty(process, 'arch', { value: 'mips' });"), 0o644))
	code, out = s.run("node", "-r", "./mips.js", "node_modules/relevo/bin/relevo.js", "version")
	if code != 1 || !strings.Contains(out, "cannot run on linux-mips") || !strings.Contains(out, "There are: linux-") {
		t.Errorf("on an unknown platform: exit code %d: %s", code, out)
	}
	if code, out := s.run("npm", "install", "relevo"); code != 0 {
		t.Fatalf("npm install: exit code %d: %s", code, out)
	}
	if code, out := s.run("node_modules/.bin/relevo", "version"); code != 0 || out != "relevo v1.0.0\n" {
		t.Errorf("installed: exit code %d: %s", code, out)
	}
}

// TestNPMShim: signals reach relevo, and Node's process ends as relevo does. If Node has
// process.execve, that process becomes relevo.
func TestNPMShim(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, version := range []string{"here", "24"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newNPMSite(t)
			if code, out := s.run("npm", "install", "relevo"); code != 0 {
				t.Fatalf("npm install: exit code %d: %s", code, out)
			}
			s.master = exec.Command(nodeOf(t, version), "node_modules/relevo/bin/relevo.js", "run", "--name", "site",
				"-l", "127.0.0.1:0", "-n", "2", "--", "./app")
			s.master.Dir, s.master.Env, s.master.Stdout, s.master.Stderr = s.dir, s.env, s.log, s.log
			s.begin()
			s.serves()
			old := s.settled(2)
			if became := s.status().PID == s.master.Process.Pid; became != (version != "here" || hasExecve(s)) {
				t.Errorf("the process became relevo: %v", became)
			}
			s.master.Process.Signal(syscall.SIGHUP)
			s.await("new workers", func() bool { now := s.settled(2); return now[0] != old[0] && now[1] != old[1] })
			s.master.Process.Signal(syscall.SIGTERM)
			<-s.ended
			if code := s.master.ProcessState.ExitCode(); code != 0 || strings.Contains(s.log.String(), "Warning") {
				t.Errorf("exit code %d\n%s", code, s.log)
			}
		})
	}
}

func hasExecve(s *npmSite) bool {
	_, out := s.run("node", "-p", "typeof process.execve")
	return strings.TrimSpace(out) == "function"
}
