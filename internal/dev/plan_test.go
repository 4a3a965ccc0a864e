package dev

import (
	"fmt"
	"strings"
	"testing"
)

// testPlan has three steps, rules → assets → build, as in a program with templates.
func testPlan() *plan {
	suffix := func(s string) func(string) bool { return func(path string) bool { return strings.HasSuffix(path, s) } }
	return newPlan([]func(string) bool{suffix(".templ"), suffix(".scss"), suffix(".go")}, []bool{false, false, true},
		suffix(".toml"))
}

// TestPlan drives a plan by words and checks what it does: + changes files, run begins the next
// step, ok, bad and cancelled end it, roll asks for the roll.
func TestPlan(t *testing.T) {
	for name, c := range map[string]struct{ do, want string }{
		"one file, one step":                      {"+a.go run ok run roll", "2 - roll"},
		"only steps whose inputs changed":         {"+a.templ,a.go run ok run ok run roll", "0 2 - roll"},
		"a rule alone asks for no roll":           {"+a.scss run ok run roll", "1 - -"},
		"what a rule wrote is built, too":         {"+a.templ run ok +a.go run ok roll", "0 2 roll"},
		"a file that no step and no roll uses":    {"+a.md run roll", "ignored - -"},
		"a file that only rolls":                  {"+x.toml run roll", "- roll"},
		"a failure stops all that follows":        {"+a.templ,a.go run bad run roll", "0 - -"},
		"a step that failed runs again":           {"+a.templ,a.go run bad +a.go run ok run ok roll", "0 0 2 roll"},
		"a roll is not made twice":                {"+a.go run ok roll roll", "2 roll -"},
		"a roll that was due waits for a failure": {"+x.toml,a.go run bad roll +a.go run ok roll", "2 - 2 roll"},
		"an earlier step's input cancels":         {"+a.go run +a.templ cancelled run ok run ok roll", "2 cancel 0 2 roll"},
		"the running step's input cancels":        {"+a.go run +b.go cancelled run ok roll", "2 cancel 2 roll"},
		"a later step's input cancels nothing":    {"+a.templ run +a.go ok run ok roll", "0 2 roll"},
		"no roll while a step is due":             {"+a.go run ok +b.templ roll run ok roll", "2 - 0 roll"},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan()
			var got []string
			for word := range strings.FieldsSeq(c.do) {
				if said := perform(p, word); said != "" {
					got = append(got, said)
				}
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%s: %s, want %s", c.do, got, c.want)
			}
		})
	}
}

func perform(p *plan, word string) string {
	if files, ok := strings.CutPrefix(word, "+"); ok {
		concerns, cancel := p.changed(strings.Split(files, ","))
		switch {
		case !concerns:
			return "ignored"
		case cancel:
			return "cancel"
		}
		return ""
	}
	switch word {
	case "run":
		step, ok := p.next()
		if !ok {
			return "-"
		}
		return fmt.Sprint(step)
	case "ok":
		p.ended(true, false)
	case "bad":
		p.ended(false, false)
	case "cancelled":
		p.ended(true, true)
	case "roll":
		if p.takeRoll() {
			return "roll"
		}
		return "-"
	}
	return ""
}
