package health_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/health"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestJudge plays stories, a round a line: an answer for each worker ("." is well, "x" is
// not, "-" was not asked), then what follows: -> out of service, ! to be replaced, and
// the news. The workers are a, b, c …; two failures make one fail; rounds are 10 s apart.
func TestJudge(t *testing.T) {
	for name, story := range map[string]string{
		"one fails and recovers": `
			... ->
			.x. ->
			.x. -> b !b failing:b
			.x. -> b !b
			... -> recovered:b`,
		"one at a time": `
			.... ->
			xx.. ->
			xxx. -> a !a failing:a failing:b
			xxx. -> a !a failing:c
			.xx. -> b !b recovered:a`,
		"the one that fails longest leaves first": `
			... ->
			..x ->
			.xx -> c !c failing:c
			.xx -> c !c failing:b
			-x. -> b !b recovered:c`,
		"all fail: nothing is replaced, but one is tried from time to time": `
			... ->
			xxx ->
			xxx -> failing:a failing:b failing:c all fail
			xxx ->
			xxx ->
			xxx -> !a
			xxx ->
			xxx ->
			xxx -> !a
			xxx ->
			xx. -> recovered:c all over
			xx. ->
			x.. -> recovered:b a !a`,
		"who is out when all fail comes back into service": `
			.. ->
			.x ->
			.x -> b !b failing:b
			xx -> b !b
			xx -> failing:a all fail
			.x -> recovered:a all over
			.x ->
			.x -> b !b`,
		"when others begin to fail, too, the next answers decide": `
			... ->
			x.. ->
			xxx -> failing:a
			xxx -> failing:b failing:c all fail`,
		"one worker alone is replaced at once, and then from time to time": `
			. ->
			x ->
			x -> a !a failing:a
			x -> a
			x -> a
			x -> a !a
			. -> recovered:a`,
		"a check that nothing has ever passed replaces nothing": `
			xx ->
			xx -> unproven
			xx ->
			x. -> failing:a a !a proven`,
	} {
		t.Run(name, func(t *testing.T) {
			j := &health.Judge{}
			j.Ask("GET /healthz")
			for i, line := range strings.Split(strings.TrimSpace(story), "\n") {
				line = strings.TrimSpace(line)
				answers, want, _ := strings.Cut(line, " ->")
				j = succeed(t, j)
				got := round(j, epoch.Add(time.Duration(i)*10*time.Second), answers)
				if words := strings.Fields(want); !equal(got, words) {
					t.Fatalf("round %d, %s: got %v, want %v", i, answers, got, words)
				}
			}
		})
	}
}

// succeed is the judge of the next master.
func succeed(t *testing.T, j *health.Judge) *health.Judge {
	text, err := json.Marshal(j.State())
	if err != nil {
		t.Fatal(err)
	}
	var s health.State
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return health.TakeOver(s)
}

func round(j *health.Judge, now time.Time, answers string) (words []string) {
	var serving []string
	for i, answer := range answers {
		worker := string(rune('a' + i))
		serving = append(serving, worker)
		s := health.Sample{Worker: worker, At: now, Took: time.Millisecond}
		switch answer {
		case 'x':
			s.Fault = "GET /healthz: 500"
		case '-':
			continue
		}
		j.Note(s)
	}
	v := j.Decide(now, serving, nil, 2)
	if v.Suspend != "" {
		words = append(words, v.Suspend)
	}
	if v.Replace != "" {
		words = append(words, "!"+v.Replace)
	}
	for _, n := range v.News {
		word := strings.Fields(string(n.Kind))
		if n.Worker != "" {
			word = []string{fmt.Sprintf("%s:%s", n.Kind, n.Worker)}
		}
		words = append(words, word...)
	}
	return words
}

func equal(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// A worker in its start period may fail, until it has been well once.
func TestStartPeriod(t *testing.T) {
	j := &health.Judge{}
	j.Note(health.Sample{Worker: "b", At: epoch})
	note := func(fault string) health.Verdict {
		j.Note(health.Sample{Worker: "a", At: epoch, Fault: fault, Young: true})
		return j.Decide(epoch, []string{"a", "b"}, nil, 1)
	}
	if v := note("tcp: connection refused"); v.Suspend != "" || v.Replace != "" {
		t.Errorf("in its start period: %+v", v)
	}
	note("")
	if v := note("tcp: connection refused"); v.Suspend != "a" || v.Replace != "a" ||
		v.Reason != "unhealthy: tcp: connection refused" {
		t.Errorf("after it was well: %+v", v)
	}
}

// Another check starts over, and what a worker that has left answered is forgotten.
func TestAnotherCheck(t *testing.T) {
	j := &health.Judge{}
	j.Ask("GET /a")
	j.Note(health.Sample{Worker: "a", At: epoch})
	j.Decide(epoch, []string{"a"}, nil, 1)
	if !j.Proven() || j.Record("a") == nil {
		t.Error("a check that was passed is not proven")
	}
	j.Decide(epoch, []string{"b"}, []string{"c"}, 1)
	if j.Record("a") != nil {
		t.Error("a worker that has left is known still")
	}
	j.Ask("GET /a")
	if !j.Proven() {
		t.Error("the same check is not proven any more")
	}
	j.Ask("GET /b")
	if j.Proven() || j.Asked() {
		t.Error("another check is proven")
	}
}

func TestLatency(t *testing.T) {
	j := &health.Judge{}
	for i := range 40 {
		j.Note(health.Sample{Worker: "a", Took: time.Duration(i+1) * time.Millisecond})
	}
	l := j.Record("a").Latency
	if l.Last() != 40*time.Millisecond || l.Median() != 24*time.Millisecond || l.Max() != 40*time.Millisecond ||
		len(l.Answers) != 32 {
		t.Errorf("last %s, median %s, max %s of %d", l.Last(), l.Median(), l.Max(), len(l.Answers))
	}
	if none := (health.Latency{}); none.Last() != 0 || none.Median() != 0 || none.Max() != 0 {
		t.Error("there was no answer")
	}
}

// A worker that hangs right after a good answer is found within interval × failures, the
// last answer's timeout included.
func TestPause(t *testing.T) {
	const interval = time.Second
	for _, failures := range []int{1, 2, 3, 10} {
		for _, timeout := range []time.Duration{time.Millisecond, interval / 4, interval / 2} {
			pause := health.Pause(interval, timeout, failures)
			if found := time.Duration(failures)*pause + timeout; found > interval*time.Duration(failures)+time.Millisecond ||
				pause < timeout {
				t.Errorf("%d failures, timeout %s: asked every %s, found after %s", failures, timeout, pause, found)
			}
		}
	}
}
