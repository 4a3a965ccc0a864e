package web

import (
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/internal/testreq"
	"relevo/pool"
)

// remembered is an entry of a master that says what it is.
func remembered(at time.Time, text string) pool.Entry {
	return pool.Entry{Event: pool.Event{Time: at, Kind: pool.KindHealed, Text: text}, Times: 3, Last: at.Add(time.Second)}
}

// TestRecalled: the stream begins with what the master remembers, has nothing twice, and goes on
// with what the next master remembers of the time between.
func TestRecalled(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	first := newStandIn("web", 1)
	at := time.Now().Add(-time.Hour)
	crossed := pool.Event{Time: at.Add(time.Minute), Kind: pool.KindHealed, Text: "crossed"}
	first.remembers = []pool.Entry{remembered(at, "oldest"), {Event: crossed}}
	first.onRecent = func() { first.tellAt(crossed) } // between the subscription and the answer
	gone := s.serve("web", first)
	messages, _ := s.openStream("?app=web", "Relevo-Token: "+s.token)
	var got []string
	upTo := func(text string) {
		t.Helper()
		for !slices.Contains(got, text) {
			data := next(t, messages, "event", "")
			_, after, _ := strings.Cut(data, `"text":"`)
			word, _, _ := strings.Cut(after, `"`)
			got = append(got, word)
			if word == "oldest" && !strings.Contains(data, `"times":3`) {
				t.Errorf("how often it happened is missing: %s", data)
			}
		}
	}
	upTo("crossed")
	first.tell(pool.Event{Kind: pool.KindHealed, Text: "live"})
	upTo("live")
	gone()
	second := newStandIn("web", 1)
	second.remembers = append(slices.Clone(first.remembers), remembered(time.Now(), "between"))
	s.serve("web", second)
	upTo("between")
	second.tell(pool.Event{Kind: pool.KindHealed, Text: "last"})
	upTo("last")
	if want := "oldest crossed live between last"; strings.Join(got, " ") != want {
		t.Errorf("the stream has %v, want %s", got, want)
	}
}

// TestBrowserRecalls: a page that is opened after a roll shows it, and shows nothing twice when it
// connects again.
func TestBrowserRecalls(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	s := newSite(t, nil)
	m, _ := s.master("web", 2)
	at := time.Now().Add(-30 * time.Hour)
	m.remembers = []pool.Entry{
		{Event: pool.Event{Time: at, Kind: pool.KindRoll, Step: pool.StepAsked, Reason: "relevo reload"}},
		{Event: pool.Event{Time: at, Kind: pool.KindRoll, Step: pool.StepEnded, Result: "rolled-back"}},
		remembered(at.Add(time.Minute), "backlog"),
	}
	b := open(s, "/")
	shown := `[...document.getElementById('events').children].map(` +
		`li => li.lastChild.textContent.replace(/ until.*/, '')).join('; ')`
	want := "a listener was damaged, and is repaired, 3 times; the roll ended: rolled-back; a roll was asked for"
	b.Eventually(shown, want)
	b.Eventually("document.getElementById('events').firstChild.firstChild.textContent.length > 9", "true")
	eventually(t, "the subscription", func() bool { return m.followers() == 1 })
	m.set(func(s *control.Status) {
		s.Workers[0].State, s.Workers[0].Until = "draining", time.Now().Add(time.Hour)
	})
	b.Eventually(has("document.getElementById('slots').textContent", "59 min"), "true")
	m.tell(pool.Event{Kind: pool.KindResize, From: 2, To: 3})
	want = "from 2 to 3 workers; " + want
	b.Eventually(shown, want)
	s.end()
	b.Eventually(has(linkIs, "reconnecting"), "true")
	s.begin()
	b.Eventually(linkIs, "live")
	eventually(t, "the next subscription", func() bool { return m.followers() == 1 })
	m.tell(pool.Event{Kind: pool.KindResize, From: 3, To: 2})
	b.Eventually(shown, "from 3 to 2 workers; "+want)
}
