package machine

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the effects of the scenario files; review the difference")

// TestScenarios plays testdata/*.txt, one story a file:
//
//	# a comment tells the story
//	options surge=2 canary=5s      before anything else; absent: the defaults
//	given 3 serving                boots w1, w2, w3 of generation 1 at 0s, without a word
//	given 3 serving by message     the same, and the workers take their drain by message
//	at 1s roll gen 2               an event; the lines "> …" under it are its effects
//	at next tick                   Tick at the moment that Next asks for
//	at 2s view                     what View and Next show
func TestScenarios(t *testing.T) {
	for _, file := range scenarioFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := &play{}
			got, err := p.file(string(want))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if *update {
				err = os.WriteFile(file, []byte(got), 0o644)
			} else if diff := cmp.Diff(string(want), got); diff != "" {
				err = fmt.Errorf("effects differ (-file +machine):\n%s", diff)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func scenarioFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("cannot find scenario files: %v", err)
	}
	return files
}

// play is the state of one scenario.
type play struct {
	m       *Machine
	now     time.Time
	events  []Event
	effects []Effect
}

// file plays every line and returns the text with the actual effects.
func (p *play) file(text string) (string, error) {
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, ">") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		answer, err := p.line(line)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", i+1, err)
		}
		for _, a := range answer {
			fmt.Fprintln(&out, "> "+a)
		}
	}
	return out.String(), nil
}

func (p *play) line(line string) ([]string, error) {
	verb, rest, _ := strings.Cut(line, " ")
	if verb == "options" {
		o, err := parseOptions(strings.Fields(rest))
		p.m = New(o)
		return nil, err
	}
	if p.m == nil {
		p.m = New(Options{})
	}
	switch verb {
	case "given":
		return nil, p.given(rest)
	case "at":
		return p.at(rest)
	}
	return nil, fmt.Errorf("cannot read %q", line)
}

func (p *play) given(rest string) error {
	var n int
	if _, err := fmt.Sscanf(rest, "%d serving", &n); err != nil {
		return fmt.Errorf("cannot read %q: %w", rest, err)
	}
	p.m.Step(epoch, Start{Workers: n, Generation: 1})
	for w := 1; w <= n; w++ {
		if strings.HasSuffix(rest, "by message") {
			p.m.Step(epoch, Hello{Worker: w})
		}
		p.m.Step(epoch, Ready{w})
	}
	return nil
}

func (p *play) at(rest string) ([]string, error) {
	when, what, _ := strings.Cut(rest, " ")
	var out []string
	if when == "next" {
		p.now = p.m.Next()
		out = append(out, "at "+since(p.now))
	} else {
		d, err := time.ParseDuration(when)
		if err != nil || epoch.Add(d).Before(p.now) {
			return nil, fmt.Errorf("cannot go from %s to %q: %w", since(p.now), when, err)
		}
		p.now = epoch.Add(d)
	}
	if what == "view" {
		return append(out, wordsOfView(p.m)...), nil
	}
	e, err := parseEvent(what)
	if err != nil {
		return nil, err
	}
	p.events = append(p.events, e)
	for _, effect := range p.m.Step(p.now, e) {
		p.effects = append(p.effects, effect)
		out = append(out, wordsOf(effect))
	}
	return out, nil
}
