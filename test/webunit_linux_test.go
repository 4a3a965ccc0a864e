package test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"relevo/internal/testport"
)

// askPage sends a request to the page at an address.
func (s *unitSite) askPage(method, url, token string) (code int, text string) {
	s.t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader("{}"))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(all)
}

// TestInstallWeb: the unit of the page shows an app and rolls it, in spite of its restrictions. It
// comes back after a kill, and uninstall leaves nothing but its token.
func TestInstallWeb(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\nwatch_binary = false\n")
	s.Systemctl("start", "web.service")
	address := testport.Address(t)
	page := "http://" + address + "/"
	if code, out := s.relevo("install", "--web", "--listen", address, "--now"); code != 0 {
		t.Fatalf("install: %d %s", code, out)
	}
	if got, want := s.Show("relevo-web.service", "StatusText"), "the page is at "+page; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	token, err := os.ReadFile(s.Path("/var/lib/relevo/.web-token"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.Path("/var/lib/relevo/.web-token")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token has %v, %v", info, err)
	}
	if code, text := s.askPage("GET", page+"readyz", ""); code != 200 {
		t.Errorf("readyz: %d %s", code, text)
	}
	code, numbers := s.askPage("GET", page+"metrics", "")
	for _, want := range []string{`relevo_up{app="web"} 1`, `relevo_worker_open_fds{app="web",slot="1"}`,
		`relevo_worker_resident_memory_bytes{app="web",slot="0"}`} {
		if code != 200 || !strings.Contains(numbers, want) {
			t.Errorf("metrics: %d, no %s in\n%s", code, want, numbers)
		}
	}
	if code, _ := s.askPage("POST", page+"v1/apps/web/roll", "wrong"); code != http.StatusForbidden &&
		code != http.StatusUnauthorized {
		t.Errorf("a roll with a wrong token: %d", code)
	}
	s.release("2", "serve")
	if code, text := s.askPage("POST", page+"v1/apps/web/roll", strings.TrimSpace(string(token))); code != 200 {
		t.Errorf("roll: %d %s", code, text)
	}
	s.awaitStatus("2 of 2 workers serve generation 2")
	s.Systemctl("kill", "-s", "KILL", "relevo-web.service")
	s.Await("the page to come back", func() bool {
		return s.Show("relevo-web.service", "NRestarts") == "1" && s.Show("relevo-web.service", "ActiveState") == "active"
	})
	if code, text := s.askPage("GET", page+"readyz", ""); code != 200 {
		t.Errorf("readyz after a kill: %d %s", code, text)
	}
	if code, out := s.relevo("uninstall", "--web", "--now"); code != 0 {
		t.Errorf("uninstall: %d %s", code, out)
	}
	if _, err := os.Lstat(s.Path("/etc/systemd/system/relevo-web.service")); err == nil {
		t.Error("the unit still exists")
	}
	if got := s.Show("web.service", "ActiveState"); got != "active" {
		t.Errorf("the app is %s", got)
	}
}
