package decide

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/pool/machine"
)

// tell plays the stories in a directory: each line is an event, the lines "> …" under it are what
// follows. Begin returns what plays one.
func tell(t *testing.T, dir string, begin func() func(line string) []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/" + dir + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("cannot find stories: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		play := begin()
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, ">") {
				continue
			}
			fmt.Fprintln(&got, line)
			if strings.HasPrefix(line, "#") {
				continue
			}
			for _, next := range play(line) {
				if next != "" {
					fmt.Fprintln(&got, "> "+next)
				}
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got.String() != string(text) {
			t.Errorf("%s: something else follows:\n%s", file, got.String())
		}
	}
}

func TestStage(t *testing.T) {
	tell(t, "stage", func() func(string) []string {
		var s Stage
		return func(line string) []string { return []string{string(s.Step(StageEvent(line)))} }
	})
	for _, c := range []struct {
		stage Stage
		want  bool
	}{{Stage{}, true}, {Stage{FellBack: true}, true}, {Stage{Served: true}, false}, {Stage{Stopping: true}, false}} {
		if c.stage.Between() != c.want {
			t.Errorf("%+v", c.stage)
		}
	}
}

func TestStart(t *testing.T) {
	events := map[string]StartEvent{
		"newest: new": NewestPrepared{}, "newest: known bad": NewestPrepared{KnownBad: true},
		"newest: known bad, awaits": NewestPrepared{KnownBad: true, Awaits: true},
		"good: found":               GoodPrepared{true}, "good: none": GoodPrepared{},
		"failed: new":               StartFailed{FailedStart{Sum: "new"}},
		"failed: new, awaits":       StartFailed{FailedStart{Sum: "new", Waits: true}},
		"failed: the last good one": StartFailed{FailedStart{Sum: "good", FellBack: true}},
		"failed: a shortage":        StartFailed{FailedStart{Sum: "new", Blame: machine.BlameMaster}},
	}
	tell(t, "start", func() func(string) []string {
		var s Start
		return func(line string) []string { return []string{string(s.Step(events[line]))} }
	})
}

func TestSelf(t *testing.T) {
	tell(t, "self", func() func(string) []string {
		var s Self
		return func(line string) (all []string) {
			next := s.Step(SelfEvent(line))
			if next.Replace {
				all = append(all, "replace")
			}
			if next.Later > 0 {
				all = append(all, "later "+next.Later.String())
			}
			return all
		}
	})
}

// TestUnknownEvents: an event that was forgotten is an error of the program.
func TestUnknownEvents(t *testing.T) {
	for name, step := range map[string]func(){
		"Stage": func() { new(Stage).Step("other") }, "Start": func() { new(Start).Step(nil) },
		"Self": func() { new(Self).Step("other") },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, name) {
					t.Errorf("%s: %s", name, text)
				}
			}()
			step()
		}()
	}
}

func TestUpgrades(t *testing.T) {
	for _, c := range []struct {
		first           First
		upgrades, warns bool
	}{
		{First{}, false, false}, {First{Changed: true}, false, false}, {First{Unknown: true}, false, false},
		{First{Replaceable: true}, false, false}, {First{Replaceable: true, Changed: true}, true, false},
		{First{Replaceable: true, Unknown: true}, false, true},
	} {
		if upgrades, warns := c.first.Upgrades(); upgrades != c.upgrades || warns != c.warns {
			t.Errorf("%+v: %v, %v", c.first, upgrades, warns)
		}
	}
}
