package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCellText(t *testing.T) {
	for want, c := range map[string]cell{
		"–":                                {},
		"7 ms":                             {Figures: []float64{7}},
		"**7 ms** (5 ms … 9 ms)":           {Figures: []float64{9, 5, 7}},
		"it is not replaced":               {Notes: []string{"it is not replaced", "it is not replaced"}},
		"8 ms; ≥ 4 s in 1 of 2":            {Figures: []float64{8}, Notes: []string{"≥ 4 s"}},
		"≥ 2 s in 2 of 3; ≥ 4 s in 1 of 3": {Notes: []string{"≥ 2 s", "≥ 4 s", "≥ 2 s"}},
	} {
		if got := c.text("%.0f ms"); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

// aResult has relevo beside two others with its app, and one with another app.
func aResult(rounds ...float64) *result {
	r := newResult(len(rounds), column{Name: "lost", Format: "%.0f"}, column{Name: "rate", Format: "%.0f", More: true})
	for _, more := range rounds {
		for peer, figure := range map[string]float64{"relevo, Node": 10, "fast": 1, "slow": 20, "relevo, puma": 5,
			"puma": 9} {
			r.add(peer, "lost", figure+more)
			r.add(peer, "rate", 100-figure-more)
			r.Kinds[peer] = map[bool]string{true: "config.ru", false: "app.js"}[strings.Contains(peer, "puma")]
		}
	}
	return r
}

func TestBetter(t *testing.T) {
	want := []string{"*lost*: fast", "*rate*: fast"}
	if got := aResult(0, 1).better(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := aResult(0, 9).better(); len(got) != 0 {
		t.Errorf("ranges that overlap: %q", got)
	}
	noted := aResult(0)
	noted.note("fast", "lost", "≥ 4 s")
	if got := noted.better(); slices.Contains(got, want[0]) {
		t.Errorf("a peer that failed in a round is better: %q", got)
	}
}

// TestStore: rounds of several runs come together in one file.
func TestStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	for range 2 {
		s, err := openStore(path)
		if err == nil {
			r := aResult(0, 1)
			r.Versions = []string{"relevo 1"}
			err = s.add("rolls", r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	r := s.Tables["rolls"]
	if r.Rounds != 4 || !slices.Equal(r.Cells["fast"]["lost"].Figures, []float64{1, 2, 1, 2}) || len(r.Versions) != 1 {
		t.Errorf("%+v", r)
	}
	elsewhere := aResult(0)
	elsewhere.Machine = "another one"
	fewer := aResult(0)
	fewer.Columns = fewer.Columns[1:]
	for _, other := range []*result{elsewhere, fewer} {
		if err := s.add("rolls", other); err == nil {
			t.Errorf("what cannot be compared was added: %+v", other)
		}
	}
}

type named string

func (n named) label() string { return string(n) }

// TestTurns: the order turns round, and a peer that fails or is absent keeps no other from its
// turn.
func TestTurns(t *testing.T) {
	r := newResult(2)
	var order []string
	k := &kit{plan: plan{rounds: 2}}
	err := turns(context.Background(), k, r, []named{"a", "b", "c"}, func(n named) error {
		order = append(order, string(n))
		return map[named]error{"b": errors.New("it fell over\nand more"), "c": absent{"not installed"}}[n]
	})
	if got := strings.Join(order, ""); err != nil || got != "abccba" {
		t.Errorf("%q, %v", got, err)
	}
	if !slices.Equal(r.Failed, []string{"b (it fell over)"}) || !slices.Equal(r.Absent, []string{"c (not installed)"}) {
		t.Errorf("failed %q, absent %q", r.Failed, r.Absent)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := turns(ctx, k, r, []named{"a"}, func(named) error { return nil }); err == nil {
		t.Error("an interrupt does not end the turns")
	}
}

func TestParagraph(t *testing.T) {
	var out strings.Builder
	paragraph(&out, "%s end", strings.Repeat("größer ", 40))
	lines := strings.Split(out.String(), "\n")
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 120 {
			t.Errorf("a line of %d columns", n)
		}
	}
	if first := utf8.RuneCountInString(lines[1]); lines[0] != "" || first != 118 {
		t.Errorf("the first line has %d columns: %q", first, lines)
	}
	if text := strings.Join(strings.Fields(out.String()), " "); !strings.HasSuffix(text, "größer end") {
		t.Errorf("it ends with %q", text)
	}
}
