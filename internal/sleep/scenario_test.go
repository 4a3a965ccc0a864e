package sleep_test

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

	"relevo/internal/sleep"
)

var update = flag.Bool("update", false, "rewrite the decisions of the scenario files; review the difference")

// TestScenarios plays testdata/*.txt, one story a file:
//
//	# a comment tells the story
//	idle 10m                     the time without clients
//	for 1m open=3                what the looks show for this time; the lines "> …" under it are
//	                             the decisions to sleep
//	once came                    what the next look alone shows
//
// After a decision to sleep a client wakes the pool at once.
func TestScenarios(t *testing.T) {
	t.Parallel()
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
			got, err := (&story{}).play(string(want))
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

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// story is one scenario on its way.
type story struct {
	decider *sleep.Decider
	now     time.Duration
	looks   int
}

func (s *story) play(text string) (string, error) {
	var played strings.Builder
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
		said, err := s.line(words)
		if err != nil {
			return "", fmt.Errorf("%s: %w", line, err)
		}
		for _, text := range said {
			fmt.Fprintln(&played, "> "+text)
		}
	}
	return played.String(), nil
}

func (s *story) line(words []string) (said []string, err error) {
	switch words[0] {
	case "idle":
		idle, err := time.ParseDuration(words[1])
		s.decider = sleep.New(idle, epoch)
		return nil, err
	case "once":
		sample, err := read(words[1:])
		return s.look(sample), err
	case "for":
		length, err := time.ParseDuration(words[1])
		if err != nil {
			return nil, err
		}
		sample, err := read(words[2:])
		before := s.looks
		for end := s.now + length; s.now < end; {
			said = append(said, s.look(sample)...)
		}
		return append(said, fmt.Sprintf("at %s after %d looks", s.now, s.looks-before)), err
	}
	return nil, fmt.Errorf("unknown word")
}

// look looks once, and waits for the next look.
func (s *story) look(sample sleep.Sample) (said []string) {
	s.looks++
	d := s.decider.Decide(epoch.Add(s.now), sample)
	if d.Sleep {
		said = []string{fmt.Sprintf("at %s sleep: %s", s.now, d.Reason)}
		s.decider = sleep.New(s.decider.Idle(), epoch.Add(s.now))
	}
	s.now += d.Next
	return said
}

func read(shows []string) (s sleep.Sample, err error) {
	for _, show := range shows {
		key, text, given := strings.Cut(show, "=")
		n := 0.0
		if given {
			if n, err = strconv.ParseFloat(text, 64); err != nil {
				return s, err
			}
		}
		switch key {
		case "held":
			s.Held = true
		case "came":
			s.Came = true
		case "open":
			s.Open = int(n)
		case "waiting":
			s.Waiting = int(n)
		case "said":
			s.Said = n
		case "cpu":
			s.CPU = n
		default:
			return s, fmt.Errorf("unknown signal %s", key)
		}
	}
	return s, nil
}

// TestInUse: what is open on a connection, and what is only kept for the next request.
func TestInUse(t *testing.T) {
	t.Parallel()
	const idle = time.Minute
	type connection = sleep.Connection
	for what, test := range map[string]struct {
		c    connection
		want bool
	}{
		"answered long ago":        {connection{Received: 9, Sent: 9, SinceReceived: 2 * idle, SinceSent: 2 * idle}, false},
		"answered a while after":   {connection{Received: 9, Sent: 9, SinceReceived: 3 * idle, SinceSent: 2 * idle}, false},
		"answered just now":        {connection{Received: 9, Sent: 9, SinceReceived: 2 * idle, SinceSent: idle / 2}, true},
		"asked, never answered":    {connection{Received: 9, SinceReceived: 2 * idle, SinceSent: 9 * idle}, true},
		"asked just now":           {connection{Received: 9, SinceReceived: 0, SinceSent: 2 * idle}, true},
		"opened long ago":          {connection{SinceReceived: 2 * idle, SinceSent: 9 * idle}, false},
		"opened just now":          {connection{SinceReceived: 0, SinceSent: 9 * idle}, true},
		"a request waits":          {connection{Received: 9, Unread: 9, SinceSent: 2 * idle}, true},
		"an answer is on its way":  {connection{Received: 9, Sent: 9, Unsent: 9, SinceReceived: 2 * idle}, true},
		"the answer is a stream":   {connection{Received: 9, Sent: 9, SinceReceived: 9 * idle, SinceSent: time.Second}, true},
		"a stream that is silent":  {connection{Received: 9, Sent: 9, SinceReceived: 9 * idle, SinceSent: idle}, false},
		"asked while connecting":   {connection{Received: 9, SinceReceived: 9 * idle, SinceSent: 9 * idle}, true},
		"the client sends forever": {connection{Received: 9, SinceReceived: time.Second, SinceSent: 9 * idle}, true},
	} {
		if got := test.c.InUse(idle); got != test.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}
