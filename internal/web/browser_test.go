package web

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/internal/testbrowser"
	"relevo/internal/testreq"
	"relevo/pool"
)

// What the page shows.
const (
	linkIs  = `document.getElementById('link').textContent`
	stateIs = `document.getElementById('state').textContent`
	rollIs  = `document.getElementById('rollnow').textContent`
	problem = `document.getElementById('problem').textContent`
	focused = `document.activeElement === document.body ? '' : document.activeElement.textContent.trim()`
)

func has(expression, text string) string { return fmt.Sprintf("(%s).includes(%q)", expression, text) }

// slotIs is what the page says of a slot.
func slotIs(slot int) string {
	return fmt.Sprintf("[...document.getElementById('slots').children[%d].children[1].children].map("+
		"w => w.firstChild.textContent + ' ' + w.dataset.state).join(', ')", slot)
}

func open(s *site, address string) *testbrowser.Browser {
	b := testbrowser.New(s.t)
	b.Open(s.url + address)
	b.Eventually(linkIs, "live")
	return b
}

const enter, space, tab = "\ue007", " ", "\ue004"

// tabTo presses Tab until the element with this text has the focus.
func tabTo(t *testing.T, b *testbrowser.Browser, text string) {
	t.Helper()
	for range 60 {
		if b.Script(focused) == text {
			return
		}
		b.Press(tab)
	}
	t.Fatalf("Tab leads to no %q; %q has the focus", text, b.Script(focused))
}

// TestBrowserRoll: a roll that works and one that fails are seen step by step, with the keyboard
// alone; the page outlives the master, and relevo web.
func TestBrowserRoll(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	s := newSite(t, nil)
	m, gone := s.master("web", 2)
	b := open(s, "/#token="+s.token)
	b.Eventually("location.hash", "#app=web") // the token stands there no more
	b.Eventually(slotIs(1), "g1 serving")
	b.Script("document.getElementById('slots').children[1].kept = window.kept = 1")
	eventually(t, "the page's subscription", func() bool { return m.followers() == 1 })

	tabTo(t, b, "Roll")
	b.Press(enter)
	eventually(t, "the roll", func() bool { return m.wishes() == "roll" })
	b.Eventually("document.getElementById('say').textContent", "web: the roll has begun")
	next := &pool.Info{Version: "v2"}
	m.set(func(s *control.Status) {
		s.State, s.Rolling = "rolling", next
		s.Canary = &pool.Canary{Slot: 0, ID: "new", Until: time.Now().Add(time.Hour), Share: "5%"}
		s.Workers = append(s.Workers, pool.Worker{Slot: 0, ID: "new", PID: 1 << 23, Generation: 2, State: "starting"})
	})
	m.tell(pool.Event{Kind: pool.KindRoll, Step: pool.StepBegan, Generation: 2})
	b.Eventually(slotIs(0), "g1 serving, g2 starting")
	b.Eventually(stateIs, "rolling")
	b.Eventually(has(rollIs, "0 of 2 workers replaced, v1 → v2"), "true")
	b.Eventually(has("document.getElementById('canary').textContent", "slot 0: on probation for 59 min"), "true")
	b.Eventually(has("document.getElementById('canary').textContent", "5%"), "true")
	b.Eventually(has("document.getElementById('say').textContent", "roll to generation 2 begins"), "true")
	m.set(func(s *control.Status) { s.Workers[2].State = "serving" })
	b.Eventually(slotIs(0), "g1 serving, g2 serving")
	b.Eventually(has(rollIs, "0 of 2 workers replaced"), "true") // the canary is on probation
	m.set(func(s *control.Status) {
		s.Workers[0].State, s.Workers[0].Open, s.Canary = "draining", 7, nil
	})
	b.Eventually(slotIs(0), "g1 draining, g2 serving")
	b.Eventually(has("document.getElementById('slots').textContent", "draining, 7 connections left"), "true")
	b.Eventually(has(rollIs, "1 of 2 workers replaced"), "true")

	code := 3
	m.set(func(s *control.Status) {
		s.State, s.Rolling, s.Workers = "running", nil, s.Workers[:2]
		s.Workers[0].State = "serving"
		s.LastRoll = &pool.RollResult{Generation: 2, From: 1, Result: "rolled-back", Ended: time.Now(),
			Reason: "worker new exited", Exit: &pool.ExitStatus{Code: code}, Tail: []string{"panic: no database"}}
	})
	m.tell(pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Result: "rolled-back"})
	b.Eventually(has(rollIs, "Generation 2: rolled-back"), "true")
	b.Eventually(has(rollIs, "worker new exited"), "true")
	b.Eventually("document.getElementById('tail').textContent", "panic: no database")
	b.Eventually(has("document.getElementById('events').firstChild.textContent", "the roll ended: rolled-back"), "true")
	b.Eventually("document.getElementById('slots').children[1].kept", "1")

	gone()
	b.Eventually(stateIs, "is gone")
	m, _ = s.master("web", 3)
	b.Eventually("document.getElementById('slots').children.length", "3")
	eventually(t, "the subscription at the next master", func() bool { return m.followers() == 1 })
	s.end()
	b.Eventually(has(linkIs, "reconnecting"), "true")
	s.begin()
	b.Eventually(linkIs, "live")
	b.Eventually("window.kept", "1") // it was not loaded again
	b.Eventually(stateIs, "running")
}

// TestBrowserActs: what the keyboard does, and what it does not without a yes or with a token that
// is wrong.
func TestBrowserActs(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	s := newSite(t, nil)
	m, _ := s.master("web", 2)
	b := open(s, "/")
	b.Eventually("document.getElementById('actions').hidden", "true")
	b.Eventually("document.getElementById('readonly').hidden", "false")
	login := func(token string) {
		tabTo(t, b, "Enter the token")
		b.Press(enter)
		b.Eventually("document.activeElement.id", "token")
		for _, key := range token {
			b.Press(string(key))
		}
		b.Press(enter)
	}
	login("wrong")
	b.Eventually(has(problem, "cannot accept this token"), "true")
	b.Eventually(linkIs, "live") // one may look without
	b.Script("document.activeElement.blur()")
	login(s.url + "/#token=" + s.token) // all that was printed
	b.Eventually("document.getElementById('actions').hidden", "false")
	b.Eventually(problem, "")
	asked := func(want string) {
		t.Helper()
		eventually(t, want, func() bool { return m.wishes() == want })
	}
	tabTo(t, b, "+ worker")
	b.Press(space)
	asked("scale +1")
	tabTo(t, b, "Stop…")
	b.Press(enter)
	b.Eventually("document.getElementById('sure').open", "true")
	b.Eventually(focused, "Cancel") // a second Enter stops nothing
	b.Press(enter)
	b.Eventually("document.getElementById('sure').open", "false")
	b.Eventually(focused, "Stop…")
	b.Press(enter)
	b.Eventually(focused, "Cancel")
	b.Press(tab)
	b.Press(enter)
	asked("scale +1, stop")
	m.mu.Lock()
	m.refuses = &control.Error{Message: "cannot roll: it is stopping", Exit: control.ExitBusy}
	m.mu.Unlock()
	tabTo(t, b, "Roll")
	b.Press(enter)
	b.Eventually(problem, "cannot roll: it is stopping")
}

// TestBrowserMany: 300 apps, and 200 workers of which one changes: the elements of the others are
// those of before.
func TestBrowserMany(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	m, names := &standIn{status: statusOf("web", 200)}, []string{"web"}
	for i := range 299 {
		names = append(names, fmt.Sprintf("app%03d", i))
	}
	s := newSite(t, func(o *Options) { // without 300 sockets
		o.Names = func() ([]string, error) { return names, nil }
		o.Ask = func(_ context.Context, name string) apps.App {
			status := statusOf(name, 1)
			if name == "web" {
				status, _ = m.Status()
			}
			return apps.App{Name: name, State: "running", Status: &status}
		}
	})
	b := open(s, "/#app=web")
	b.Eventually("document.getElementById('apps').children.length", "300")
	b.Eventually("document.getElementById('slots').children.length", "200")
	b.Script(`(() => {
		window.added = window.removed = 0
		for (const id of ['slots', 'apps']) new MutationObserver(all => {
			for (const r of all) for (const [list, key] of [[r.addedNodes, 'added'], [r.removedNodes, 'removed']])
				for (const n of list) if (n.nodeType === Node.ELEMENT_NODE) window[key]++
		}).observe(document.getElementById(id), {childList: true, subtree: true})
	})()`)
	for round := range 3 {
		m.set(func(s *control.Status) {
			s.Workers[100].ID, s.Workers[100].Generation = fmt.Sprint("new", round), round+2
		})
		b.Eventually(slotIs(100), fmt.Sprintf("g%d serving", round+2))
	}
	b.Eventually("[window.added, window.removed].join()", "3,3")
	b.Script(`(() => {
		const f = document.getElementById('filter')
		f.value = 'APP29'
		f.dispatchEvent(new Event('input'))
	})()`)
	b.Eventually("document.getElementById('apps').children.length", "9")
	b.Eventually("document.getElementById('apps').firstChild.firstChild.firstChild.textContent", "app290")
}

// TestBrowserReaches: what a screen reader is told, and a phone shows.
func TestBrowserReaches(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	s := newSite(t, nil)
	m, _ := s.master("web", 30)
	m.set(func(s *control.Status) {
		s.Listeners = []control.Listener{{Name: "http", Address: "unix:/run/" + strings.Repeat("long", 40)}}
		s.Warnings = []string{strings.Repeat("wide", 100)}
		s.LastRoll = &pool.RollResult{Result: "failed", Tail: []string{strings.Repeat("wide", 100)}}
	})
	b := testbrowser.New(t)
	b.Look("light", 360, 640)
	b.Open(s.url + "/#app=web&token=" + s.token)
	b.Eventually("document.getElementById('slots').children.length", "30")
	b.Eventually("document.getElementById('sparks').children.length > 0", "true")
	b.Eventually("innerWidth + ' ' + document.documentElement.scrollWidth", "360 360")
	for _, part := range []struct{ query, role, label string }{
		{"nav", "navigation", "Apps"}, {"main", "main", "web"}, {"#filter", "searchbox", "Show apps whose name contains"},
		{"#link", "status", ""}, {"#actions", "group", "Actions"}, {"#log", "log", "What happened"},
		{"#tail", "region", "Last lines of the worker that failed"}, {"[data-workers='+1']", "button", "One worker more"},
		{"#slots", "list", ""}, {"#sparks svg", "image", "memory: now"}, {"#apps a[aria-current]", "link", "web"},
	} {
		role, label := told(b, part.query)
		if role != part.role || !strings.HasPrefix(label, part.label) {
			t.Errorf("%s is told as %s %q, want %s %q", part.query, role, label, part.role, part.label)
		}
	}
	b.Eventually("document.getElementById('say').getAttribute('aria-live')", "polite")
	b.Eventually("[...document.querySelectorAll('button')].filter(b => b.getClientRects().length && "+
		"b.getBoundingClientRect().height < 36).map(b => b.textContent).join()", "")
	b.Eventually("document.documentElement.lang + document.querySelectorAll('h1').length", "en1")
}

// told is the role and the name of an element, as the browser tells a screen reader.
func told(b *testbrowser.Browser, query string) (role, label string) {
	var element map[string]string
	b.Call("POST", "/element", map[string]any{"using": "css selector", "value": query}, &element)
	for _, id := range element {
		b.Call("GET", "/element/"+id+"/computedrole", nil, &role)
		b.Call("GET", "/element/"+id+"/computedlabel", nil, &label)
	}
	return role, label
}

// TestBrowserAxe: axe finds nothing, in the light and in the dark, on a phone, and in the dialogs.
// It is Deque's checker of WCAG: npm pack axe-core has axe.min.js.
func TestBrowserAxe(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	axe, err := os.ReadFile(os.Getenv("RELEVO_AXE"))
	if err != nil {
		testreq.Missing(t, "RELEVO_AXE names no axe.min.js of axe-core: "+err.Error())
	}
	s := newSite(t, nil)
	m, _ := s.master("web", 2)
	s.master("idle", 1)
	m.remembers = []pool.Entry{remembered(time.Now(), "said")}
	m.set(busyStatus)
	b := testbrowser.New(t)
	check := func(where string) {
		t.Helper()
		var found string
		b.Call("POST", "/execute/async", map[string]any{"args": []any{}, "script": string(axe) +
			`; const done = arguments[arguments.length - 1]
			axe.run().then(r => done(r.passes.length < 10 ? 'it checks nothing' : r.violations.map(v =>
				v.id + ': ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | ')).join('\n')), e => done(String(e)))`},
			&found)
		if found != "" {
			t.Errorf("%s: %s", where, found)
		}
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{1100, 360} {
			where := fmt.Sprint(scheme, " ", width)
			b.Look(scheme, width, 760)
			b.Open(s.url + "/?" + strings.ReplaceAll(where, " ", "") + "#app=web")
			b.Eventually(linkIs, "live")
			b.Eventually("document.getElementById('sparks').children.length > 0", "true")
			b.Eventually("document.getElementById('events').children.length", "1")
			check(where)
			b.Script("document.getElementById('key').click()")
			b.Eventually("document.getElementById('login').open", "true")
			check(where + " token")
			b.Script("document.getElementById('token').value = '" + s.token + "'")
			b.Script("document.querySelector('#login [value=yes]').click()")
			b.Eventually("document.getElementById('actions').hidden", "false")
			b.Eventually("document.getElementById('tail').hidden", "false")
			check(where + " with the token")
			b.Script("document.querySelector('[data-do=stop]').click()")
			b.Eventually("document.getElementById('sure').open", "true")
			check(where + " question")
			b.Script("document.querySelector('#sure [value=no]').click()")
			m.set(func(s *control.Status) { s.Rolling = &pool.Info{Version: "v2"} })
			b.Eventually("document.getElementById('progress').hidden", "false")
			check(where + " rolling")
			m.set(func(s *control.Status) { s.Rolling = nil })
			b.Script("sessionStorage.clear()")
		}
	}
}

// busyStatus has all that a page can show.
func busyStatus(s *control.Status) {
	soon := time.Now().Add(time.Hour)
	waiting, load := 3, 0.5
	s.Warnings = []string{"a warning"}
	s.Listeners = []control.Listener{{Name: "http", Address: "127.0.0.1:80", Queue: &control.Queue{Waiting: &waiting}}}
	s.Workers[0].Text, s.Workers[0].Load = "12 requests", &load
	s.Workers[1].Health = &pool.Health{Fault: "timeout"}
	s.Workers = append(s.Workers,
		pool.Worker{Slot: 0, ID: "old", PID: 1 << 23, State: "draining", Open: 4, Until: soon},
		pool.Worker{Slot: 2, Generation: 1, State: "backoff", Retry: soon, LastExit: &pool.ExitStatus{Code: 1}})
	s.Canary = &pool.Canary{Slot: 0, ID: "old", Until: soon}
	s.LastRoll = &pool.RollResult{Generation: 2, From: 1, Result: "rolled-back", Ended: time.Now(), Reason: "it died",
		Hint: "mend it", Tail: []string{"panic: no database"}}
}
