package autoscale_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relevo/internal/autoscale"
)

var update = flag.Bool("update", false, "rewrite the decisions of the scenario files; review the difference")

// TestScenarios plays testdata/*.txt, one story a file:
//
//	# a comment tells the story
//	workers 2..8                 the bounds; there are as many workers as the lower one
//	start 5s                     how long a new worker takes to serve; absent: 300ms
//	starting                     the workers that there are start now
//	for 1m cpu=1.5 waiting=3     what the looks show for this time; the lines "> …" under it are
//	                             the changes that are decided
//
// work=N is the CPU time that clients ask for in each second: workers use up to one processor
// each, and what they cannot do waits.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := play(string(want))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				err = os.WriteFile(file, []byte(got), 0o644)
			} else if diff := cmp.Diff(string(want), got); diff != "" {
				err = fmt.Errorf("decisions differ (-file +decider):\n%s", diff)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// stage is a pool whose workers do what is decided.
type stage struct {
	decider    *autoscale.Decider
	began, now time.Time
	workers    int
	start      time.Duration
	due        []time.Time // when the workers that start will serve
}

func newStage(b autoscale.Bounds, workers int) *stage {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &stage{autoscale.New(b, began, workers), began, began, workers, 300 * time.Millisecond, nil}
}

// look has the decider look once, does what it decides, and waits for the next look.
func (s *stage) look(sample autoscale.Sample) autoscale.Decision {
	sample.Workers, sample.Serving = s.workers, s.workers
	for _, due := range s.due {
		if due.After(s.now) {
			sample.Serving--
		}
	}
	d := s.decider.Decide(s.now, sample)
	s.starts(d.Workers - s.workers)
	s.workers, s.now = d.Workers, s.now.Add(d.Next)
	return d
}

func (s *stage) starts(workers int) {
	for range workers {
		s.due = append(s.due, s.now.Add(s.start))
	}
}

func play(text string) (string, error) {
	var played strings.Builder
	var s *stage
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, ">") {
			continue
		}
		fmt.Fprintln(&played, line)
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		var err error
		switch words[0] {
		case "workers":
			var b autoscale.Bounds
			_, err = fmt.Sscanf(words[1], "%d..%d", &b.Min, &b.Max)
			s = newStage(b, b.Min)
		case "start":
			s.start, err = time.ParseDuration(words[1])
		case "starting":
			s.starts(s.workers)
		case "for":
			err = s.playFor(&played, words[1], words[2:])
		default:
			err = fmt.Errorf("unknown word")
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", line, err)
		}
	}
	return played.String(), nil
}

func (s *stage) playFor(played *strings.Builder, text string, shows []string) error {
	length, err := time.ParseDuration(text)
	for end := s.now.Add(length); err == nil && s.now.Before(end); {
		var sample autoscale.Sample
		if sample, err = s.sample(shows); err != nil {
			break
		}
		at := s.now.Sub(s.began)
		if d := s.look(sample); d.Reason != "" {
			fmt.Fprintf(played, "> %s: %d: %s\n", at, d.Workers, d.Reason)
		}
	}
	return err
}

func (s *stage) sample(shows []string) (sample autoscale.Sample, err error) {
	sample.Processors = 2
	for _, show := range shows {
		key, text, _ := strings.Cut(show, "=")
		if key == "rolling" {
			sample.Held = true
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return sample, err
		}
		switch key {
		case "cpu":
			sample.CPU = n
		case "work":
			sample.CPU = min(n, float64(s.workers))
			sample.Waiting = int(max(n-float64(s.workers), 0) * 5)
		case "said":
			sample.Said = n
		case "waiting":
			sample.Waiting = int(n)
		case "dropped":
			sample.Dropped = int(n)
		case "slowness":
			sample.Slowness = n
		case "pressure":
			sample.Pressure = n
		default:
			return sample, fmt.Errorf("unknown signal %s", key)
		}
	}
	return sample, nil
}
