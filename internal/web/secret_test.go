package web

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/pool"
)

// TestNothingSecret: without the token nothing that a program has said, and with it neither
// commands nor environments nor paths nor messages.
func TestNothingSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	m, _ := s.master("web", 1)
	writeFile(t, s.places.AppState("web"), "definition.json",
		`{"name":"web","config":"s3cret-file","directory":"s3cret-dir",`+
			`"command":["s3cret-command","--password=s3cret"],"path":"s3cret-path","serving":{"PORT":"s3cret-port"},`+
			`"flags":["--env=A=s3cret"],"failure":"said-failure"}`)
	dead := &pool.ExitStatus{Code: 3, Said: "said-line"}
	hidden := &pool.Info{Path: "/s3cret/app", Directory: "/s3cret", Version: "v1", SHA256: "aa"}
	m.set(func(s *control.Status) {
		s.Config, s.Release, s.Rolling = "s3cret-config", hidden, hidden
		s.Warnings = []string{"said-warning"}
		s.Workers[0].Text, s.Workers[0].LastExit, s.Workers[0].Release = "said-text", dead, hidden
		s.LastRoll = &pool.RollResult{Result: "failed", Reason: "said-reason", Hint: "said-hint",
			Tail: []string{"said-tail"}, Exit: dead, Release: hidden, FromRelease: hidden}
	})
	told := []pool.Event{
		{Kind: pool.KindMessage, Data: json.RawMessage(`"s3cret"`), Text: "s3cret"},
		{Kind: pool.KindStatus, Text: "said-status"},
		{Kind: pool.KindExit, Reason: "said-why", Hint: "said-help", Tail: []string{"said-end"}, Text: "said-more",
			Data: json.RawMessage(`"s3cret"`), Release: hidden, Addresses: []string{"s3cret"}},
		{Kind: pool.KindStopped},
	}
	m.remembers = []pool.Entry{{Event: pool.Event{Time: time.Now(), Kind: pool.KindExit, Reason: "said-before",
		Tail: []string{"said-last"}, Data: json.RawMessage(`"s3cret"`), Release: hidden}}}
	said := []string{"said-before", "said-last", "said-failure", "said-line", "said-warning", "said-text", "said-reason",
		"said-hint", "said-tail", "said-status", "said-why", "said-help", "said-end", "said-more"}
	for _, headers := range [][]string{nil, {"Relevo-Token: " + s.token}} {
		messages, end := s.openStream("?app=web", headers...)
		all := gather(t, messages, `"workers"`)
		eventually(t, "the subscription", func() bool { return m.followers() == 1 })
		for _, e := range told {
			m.tell(e)
		}
		all += gather(t, messages, `"event":"stopped"`)
		end()
		eventually(t, "the end of the subscription", func() bool { return m.followers() == 0 })
		_, list, _ := s.request("GET", "/v1/apps", "", headers...)
		_, numbers, _ := s.request("GET", "/metrics", "", headers...)
		all += list + numbers
		if strings.Contains(all, "s3cret") {
			t.Errorf("with %v something secret is shown: %s", len(headers) > 0, all)
		}
		if headers == nil && strings.Contains(all, "said") {
			t.Errorf("all may read what programs have said: %s", all)
		}
		missing := slices.DeleteFunc(slices.Clone(said), func(text string) bool { return strings.Contains(all, text) })
		if headers != nil && len(missing) > 0 {
			t.Errorf("with the token %v is not shown", missing)
		}
	}
}

// gather returns all messages up to the first one that holds a text.
func gather(t *testing.T, messages <-chan message, text string) (all string) {
	t.Helper()
	for late := time.After(tooLong); ; {
		select {
		case got := <-messages:
			all += got.data
			if strings.Contains(got.data, text) {
				return all
			}
		case <-late:
			t.Fatalf("nothing with %s comes", text)
		}
	}
}
