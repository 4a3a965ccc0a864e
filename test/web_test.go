package test

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// webPage is a running relevo web.
type webPage struct {
	s          *site
	cmd        *exec.Cmd
	url, token string
}

// web starts relevo web with flags, and waits for its address.
func (s *site) web(flags ...string) *webPage {
	s.t.Helper()
	p := &webPage{s: s, cmd: s.command(append([]string{"web"}, flags...)...)}
	said := &lockedBuffer{}
	p.cmd.Stderr = said
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	address := regexp.MustCompile(`relevo web: (http://\S+/) shows`)
	s.await("the page's address", func() bool {
		if found := address.FindStringSubmatch(said.String()); found != nil {
			p.url = found[1]
		}
		return p.url != ""
	})
	told := regexp.MustCompile(`to act, open what relevo (.+) prints\n`).FindStringSubmatch(said.String())
	if told == nil {
		s.t.Fatalf("relevo web does not say how to act: %s", said.String())
	}
	code, printed := s.relevo(strings.Fields(told[1])...)
	at, token, _ := strings.Cut(strings.TrimSpace(printed), "#token=")
	if code != 0 || at != p.url || token == "" {
		s.t.Fatalf("relevo %s: %d %s, want %s#token=", told[1], code, printed, p.url)
	}
	p.token = token
	return p
}

// end ends it as Ctrl-C does.
func (p *webPage) end() {
	p.s.t.Helper()
	p.cmd.Process.Signal(syscall.SIGINT)
	if err := p.cmd.Wait(); err != nil {
		p.s.t.Errorf("relevo web: %v", err)
	}
}

func (p *webPage) ask(method, path string) (code int, text string) {
	p.s.t.Helper()
	r, err := http.NewRequest(method, p.url+path, strings.NewReader("{}"))
	if err != nil {
		p.s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.s.t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return answer.StatusCode, string(all)
}

// shownApp is what the page knows of the app, in part.
type shownApp struct {
	State                  string
	Ready, Generation, PID int
	Memory                 int64                           `json:"memory_bytes"`
	LastRoll               struct{ Result, Reason string } `json:"last_roll"`
}

func (p *webPage) shows(what string, holds func(shownApp) bool) {
	p.s.t.Helper()
	p.s.await(what, func() bool {
		var found struct{ Apps []shownApp }
		code, text := p.ask("GET", "v1/apps")
		err := json.Unmarshal([]byte(text), &found)
		return code == 200 && err == nil && len(found.Apps) == 1 && holds(found.Apps[0])
	})
}

// TestWeb: the page's server rolls a real app, shows that a bad release fails, and survives an
// upgrade and the end of the master.
func TestWeb(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2", "--canary", "0s", "--watch-binary=false")
	p := s.web("--listen", "127.0.0.1:0")
	if code, text := p.ask("GET", "readyz"); code != 200 {
		t.Errorf("readyz: %d %s", code, text)
	}
	s.release("2", "serve")
	if code, text := p.ask("POST", "v1/apps/site/roll"); code != 200 {
		t.Fatalf("roll: %d %s", code, text)
	}
	p.shows("generation 2", func(a shownApp) bool {
		return a.Generation == 2 && a.Ready == 2 && a.State == "running" && a.Memory > 0
	})
	s.release("3", "crash")
	p.ask("POST", "v1/apps/site/roll")
	p.shows("the roll that failed", func(a shownApp) bool {
		return a.Generation == 2 && a.State == "running" && strings.Contains(a.LastRoll.Reason, "exit status 3")
	})
	master := s.status().PID
	s.renew()
	if code, said := s.relevo("upgrade", "site"); code != 0 {
		t.Fatalf("upgrade: %d %s", code, said)
	}
	p.shows("the next master", func(a shownApp) bool { return a.PID != master && a.Ready == 2 })
	_, numbers := p.ask("GET", "metrics")
	for _, want := range []string{`relevo_up{app="site"} 1`, `relevo_rolls_total{app="site",result="ok"} 1`,
		`relevo_upgrades_total{app="site",result="ok"} 1`} {
		if !strings.Contains(numbers, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if code, text := p.ask("POST", "v1/apps/site/stop"); code != 200 {
		t.Errorf("stop: %d %s", code, text)
	}
	s.await("the end of the app", func() bool {
		_, text := p.ask("GET", "v1/apps")
		return strings.Contains(text, `"apps":[]`)
	})
	p.end()
}
