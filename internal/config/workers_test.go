package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseWorkerRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]WorkerRange{
		"4": {4, 0}, "auto": {CPUs(), 0}, "2..8": {2, 8}, "3..3": {3, 3}, "1..auto": {1, CPUs()}, "1..max": {1, CPUs()},
		"1..1024": {1, MaxWorkers}, "0..4": {0, 4}, "0..1": {0, 1}, "0..auto": {0, CPUs()},
	} {
		if got, err := ParseWorkerRange(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"8..2":      `the higher one comes last; write "2..8"`,
		"0..0":      `the higher one is a number from 1 to 1024, or auto; write "2..8"`,
		"0..":       "the higher one is a number from 1 to 1024",
		"2..0":      "the higher one is a number from 2 to 1024, or auto",
		"2..":       "the higher one is a number",
		"..8":       "the lower one is a number from 0 to 1024",
		"auto..8":   "the lower one is a number",
		"-1..8":     "the lower one is a number",
		"+1..8":     "the lower one is a number",
		"01..8":     "the lower one is a number",
		"2..1025":   "the higher one is a number",
		"2..8..9":   "the higher one is a number",
		"2...8":     "the higher one is a number",
		"1000..max": "less than 1000",
	} {
		got, err := ParseWorkerRange(text)
		wantCannot(t, err, text, want)
		if got != (WorkerRange{}) {
			t.Errorf("%s: %v beside its error", text, got)
		}
	}
}

func TestWorkerRange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		r             WorkerRange
		n, fits, most int
		text          string
	}{
		{WorkerRange{2, 8}, 1, 2, 8, "2..8"}, {WorkerRange{2, 8}, 5, 5, 8, "2..8"}, {WorkerRange{2, 8}, 9, 8, 8, "2..8"},
		{WorkerRange{0, 4}, 0, 0, 4, "0..4"}, {WorkerRange{0, 4}, 5, 4, 4, "0..4"},
		{WorkerRange{3, 0}, 9, 3, 3, "3"}, {WorkerRange{3, 0}, 1, 3, 3, "3"},
	} {
		app := App{Workers: test.r.Least, MostWorkers: test.r.Most}
		if got := app.WorkerRange(); got != test.r || got.Fit(test.n) != test.fits || got.String() != test.text ||
			app.LargestPool() != test.most || app.Scales() != (test.r.Most > 0) {
			t.Errorf("%v: %v", test, got)
		}
	}
}

// TestStrongerNumberOfWorkers: one number on the command line takes the place of both of the file.
func TestStrongerNumberOfWorkers(t *testing.T) {
	t.Parallel()
	old, same := Default(), Default()
	for _, s := range Settings() {
		if s.Key != "workers" {
			continue
		}
		if err := s.set(&old, []string{"2..8"}); err != nil {
			t.Fatal(err)
		}
		if diff := fmt.Sprint(Diff(same, old)); !strings.Contains(diff, `workers = "2..8"`) {
			t.Errorf("the difference is %s", diff)
		}
		if err := s.set(&old, []string{"3"}); err != nil || old.Workers != 3 || old.MostWorkers != 0 {
			t.Errorf("%v, %v", old.WorkerRange(), err)
		}
	}
}
