package decide

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the effects of the scenario files; review the difference")

// TestAgenda plays testdata/*.txt, one story a file: each line is an event, the lines "> …" under
// it are its effects.
func TestAgenda(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("cannot find scenario files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := play(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != string(text) {
			t.Errorf("%s: other effects:\n%s", file, got)
		}
	}
}

func play(text string) (string, error) {
	var a Agenda
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, ">") {
			continue
		}
		fmt.Fprintln(&out, line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		e, err := readEvent(line)
		if err != nil {
			return "", err
		}
		for _, effect := range a.Step(e) {
			fmt.Fprintln(&out, "> "+words(effect))
		}
	}
	return out.String(), nil
}

func readEvent(line string) (Event, error) {
	words := strings.Fields(line)
	n := 0
	if last := len(words) - 1; last > 0 {
		if _, err := fmt.Sscan(words[last], &n); err == nil {
			words = words[:last]
		}
	}
	switch strings.Join(words, " ") {
	case "work":
		return WorkAsked{n}, nil
	case "work done":
		return WorkDone{n}, nil
	case "roll ended":
		return RollEnded{n}, nil
	case "concluded":
		return Concluded{n}, nil
	case "wait":
		return WaitAsked{n}, nil
	case "request":
		return RequestAsked{Number: n}, nil
	case "reload":
		return RequestAsked{Number: n, Reload: true}, nil
	case "request begun":
		return RequestBegun{n}, nil
	case "begins":
		return Begins{true}, nil
	case "begins no more":
		return Begins{}, nil
	case "refused":
		return Refused{}, nil
	case "timer rang":
		return TimerRang{n}, nil
	case "looked":
		return Looked{}, nil
	case "changed":
		return Changed{}, nil
	case "over":
		return Over{}, nil
	}
	return nil, fmt.Errorf("cannot read %q", line)
}

func words(e Effect) string {
	switch e := e.(type) {
	case BeginWork:
		return fmt.Sprint("begin work ", e.Number)
	case Conclude:
		return fmt.Sprint("conclude ", e.Number)
	case EndWait:
		return fmt.Sprint("end wait ", e.Number)
	case BeginRequest:
		return fmt.Sprint("begin request ", e.Number)
	case DropRequest:
		return fmt.Sprint("drop request ", e.Number)
	case StartTimer:
		return fmt.Sprintf("start timer %d %s", e.Number, e.Wait)
	case StopTimer:
		return "stop timer"
	case AskAgain:
		return "ask again"
	}
	return fmt.Sprintf("%T", e)
}

func TestPrepared(t *testing.T) {
	for _, c := range []struct {
		what string
		p    Prepared
		want Next
	}{
		{"a reload", Prepared{}, NextRoll},
		{"a change that the watch saw", Prepared{Watched: true}, NextRoll},
		{"the watch saw bytes that serve", Prepared{Watched: true, Same: true}, NextKeep},
		{"the watch saw bytes that serve, and they are gone", Prepared{Watched: true, Same: true, Failed: true}, NextAgain},
		{"bad bytes", Prepared{KnownBad: true}, NextRefuse},
		{"the watch saw bad bytes", Prepared{KnownBad: true, Watched: true}, NextRefuse},
		{"bad bytes, by force", Prepared{KnownBad: true, Forced: true}, NextRoll},
		{"nothing could be prepared", Prepared{Failed: true}, NextAnswer},
		{"nothing could be prepared, by force", Prepared{Failed: true, Forced: true}, NextAnswer},
		{"nothing could be prepared for the watch", Prepared{Failed: true, Watched: true}, NextAgain},
		{"another master has taken over", Prepared{Failed: true, Watched: true, Left: true}, NextAnswer},
		{"too late", Prepared{Late: true, KnownBad: true}, NextDrop},
	} {
		if got := c.p.Next(); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

func TestBytes(t *testing.T) {
	for _, c := range []struct {
		b    Bytes
		want bool
	}{{Bytes{}, true}, {Bytes{Looked: true}, false}, {Bytes{KnownBad: true}, false}} {
		if got := c.b.Roll(); got != c.want {
			t.Errorf("%+v: %v", c.b, got)
		}
	}
}

// TestUnknownEvent: an event that was forgotten in Step is an error of the program.
func TestUnknownEvent(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "internal error") {
			t.Error(text)
		}
	}()
	new(Agenda).Step(forgotten{})
}

type forgotten struct{ Event }
