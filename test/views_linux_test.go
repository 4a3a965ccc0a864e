package test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/lazyregexp"
)

// glimpse is what a view shows of an app at some moment.
type glimpse struct {
	State                        string
	Serving, Slots, Generation   int
	Workers                      []string // slot, generation, state
	Canary                       bool
	Leaving                      string // connections that draining workers have open
	Starting, Draining, RollsEnd int    // only in the metrics
}

// shownStatus is an app in JSON, from list and from the page.
type shownStatus struct {
	State             string
	Ready, Slots      int
	Generation        int
	Canary            *struct{}
	Open, Connections *int
	Workers           []struct {
		Slot, Generation int
		State            string
		Open             *int // in a status
		Connections      *int // on the page
	}
}

func (a shownStatus) glimpse() glimpse {
	g := glimpse{State: a.State, Serving: a.Ready, Slots: a.Slots, Generation: a.Generation, Canary: a.Canary != nil}
	for _, w := range a.Workers {
		g.Workers = append(g.Workers, fmt.Sprint(w.Slot, w.Generation, w.State))
		for _, open := range []*int{w.Open, w.Connections} {
			if w.State == "draining" && open != nil {
				g.Leaving += fmt.Sprint(*open, " ")
			}
		}
	}
	slices.Sort(g.Workers)
	return g
}

// views reads one site in all views.
type views struct {
	s    *site
	page *webPage
	pane *tmuxPane
}

func (v *views) status() glimpse {
	status := v.s.status()
	text, err := json.Marshal(status)
	var a shownStatus
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		v.s.t.Fatal(err)
	}
	a.Ready = status.Serving()
	return a.glimpse()
}

func (v *views) list() glimpse {
	code, text := v.s.relevo("list", "--json")
	var all []shownStatus
	if err := json.Unmarshal([]byte(text), &all); code != 0 || err != nil || len(all) != 1 {
		v.s.t.Fatalf("list: %d %v %s", code, err, text)
	}
	return all[0].glimpse()
}

func (v *views) web() glimpse {
	code, text := v.page.ask("GET", "v1/apps")
	var all struct{ Apps []shownStatus }
	if err := json.Unmarshal([]byte(text), &all); code != 200 || err != nil || len(all.Apps) != 1 {
		v.s.t.Fatalf("page: %d %v %s", code, err, text)
	}
	return all.Apps[0].glimpse()
}

var (
	monitApp    = lazyregexp.New(`▸ site +(\w+) +(\d+)/(\d+)`)
	monitHead   = lazyregexp.New(`generation (\d+)`)
	monitWorker = lazyregexp.New(`(?m)│ +(\d+) +(\d+) (starting|serving|draining|stopping)\s.*$`)
	monitOpen   = lazyregexp.New(`(\d+) open`)
)

func (v *views) monit() (g glimpse) {
	screen := v.pane.screen()
	if found := monitApp.FindStringSubmatch(screen); found != nil {
		g.State, g.Serving, g.Slots = found[1], number(found[2]), number(found[3])
	}
	if found := monitHead.FindStringSubmatch(screen); found != nil {
		g.Generation = number(found[1])
	}
	for _, found := range monitWorker.FindAllStringSubmatch(screen, -1) {
		g.Workers = append(g.Workers, fmt.Sprint(number(found[1]), number(found[2]), found[3]))
		if open := monitOpen.FindStringSubmatch(found[0]); open != nil && found[3] == "draining" {
			g.Leaving += open[1] + " "
		}
	}
	slices.Sort(g.Workers)
	g.Canary = strings.Contains(screen, "canary: worker")
	return g
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// metrics returns what the metrics show.
func (v *views) metrics() (g glimpse, rolling bool) {
	_, text := v.page.ask("GET", "metrics")
	value := func(name string) int {
		_, after, _ := strings.Cut(text, "\n"+name+" ")
		line, _, _ := strings.Cut(after, "\n")
		return number(line)
	}
	workers := func(state string) int { return value(`relevo_workers{app="site",state="` + state + `"}`) }
	g.Serving, g.Starting, g.Draining = workers("serving"), workers("starting"), workers("draining")
	g.Slots = value(`relevo_workers_desired{app="site"}`)
	g.RollsEnd = value(`relevo_rolls_total{app="site",result="ok"}`)
	found := regexp.MustCompile(`relevo_release_info\{.*generation="(\d+)"`).FindStringSubmatch(text)
	if found != nil {
		g.Generation = number(found[1])
	}
	return g, value(`relevo_roll_in_progress{app="site"}`) == 1
}

// agree waits until all views show the same as the status, which must not change meanwhile.
func (v *views) agree(moment string) {
	v.s.t.Helper()
	var seen string
	if !await(func() bool {
		want := v.status()
		list, web, monit := v.list(), v.web(), v.monit()
		numbers, rolling := v.metrics()
		seen = fmt.Sprintf("status  %+v\nlist    %+v\nweb     %+v\nmonit   %+v\nmetrics %+v %v", want, list, web, monit,
			numbers, rolling)
		same := fmt.Sprint(want) == fmt.Sprint(list) && fmt.Sprint(want) == fmt.Sprint(web) &&
			fmt.Sprint(want) == fmt.Sprint(monit) && fmt.Sprint(want) == fmt.Sprint(v.status())
		draining := strings.Count(strings.Join(want.Workers, " "), "draining")
		return same && numbers.Serving == want.Serving && numbers.Slots == want.Slots && numbers.Draining == draining &&
			numbers.Generation == want.Generation && rolling == (want.State == "rolling")
	}) {
		v.s.t.Fatalf("%s: the views differ:\n%s\n%s", moment, seen, v.pane.screen())
	}
	v.s.t.Logf("%s:\n%s", moment, seen)
}

// TestOneRollInAllViews: list, monit, the page and the metrics show the same numbers at each moment
// of a roll: before it, while the canary is on probation, while a worker drains, and after it.
func TestOneRollInAllViews(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "1", "--canary", "1h", "--drain-timeout", "1h", "--watch-binary=false")
	s.settled(1)
	v := &views{s: s, page: s.web("--listen", "127.0.0.1:0"), pane: newPane(s)}
	v.pane.run("resize-window", "-x", "140", "-y", "40")
	v.pane.types("./relevo monit site", "Enter")
	v.agree("before")
	leave := stream(t, "http://"+s.status().Listeners[0].Address+"/stream")
	s.release("2", "serve")
	if code, said := s.relevo("reload", "site", "--no-wait"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.await("the canary", func() bool { return s.status().Canary != nil })
	v.agree("canary")
	if g := v.status(); g.State != "rolling" || !g.Canary || g.Serving != 2 || g.Slots != 1 {
		t.Errorf("while the canary is on probation: %+v", g)
	}
	if _, err := s.client.Promote(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.await("the draining worker", func() bool { return leaving(s.status()) == 1 && openOf(s.status()) == 1 })
	v.agree("draining")
	if g := v.status(); g.Leaving != "1 " {
		t.Errorf("while a worker drains: %+v", g)
	}
	if leave() == 0 {
		t.Error("the connection that kept the worker is closed")
	}
	s.settled(1)
	v.agree("after")
	if g, _ := v.metrics(); g.Generation != 2 || g.RollsEnd != 1 || g.Serving != 1 {
		t.Errorf("after the roll: %+v", g)
	}
	v.page.end()
}

// openOf adds up the connections that draining workers report as open.
func openOf(s control.Status) (open int) {
	for _, w := range s.Workers {
		if w.State == "draining" {
			open += w.Open
		}
	}
	return open
}
