package monit

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

var update = flag.Bool("update", false, "rewrite the golden frames of testdata")

// TestFrames: what each scene looks like, without colors, at three sizes.
func TestFrames(t *testing.T) {
	t.Parallel()
	for name, scene := range map[string]func(width, height int) Model{
		"running":  func(w, h int) Model { return at(w, h, &fixed{frame: running()}, "web") },
		"events":   func(w, h int) Model { return at(w, h, &fixed{frame: running()}, "web", "e", "f") },
		"rolling":  func(w, h int) Model { return at(w, h, &fixed{frame: rolling()}, "web") },
		"draining": func(w, h int) Model { return at(w, h, &fixed{frame: draining()}, "web", "tab", "down") },
		"failed":   func(w, h int) Model { return at(w, h, &fixed{frame: failed()}, "web") },
		"none":     func(w, h int) Model { return at(w, h, &fixed{}, "") },
		"many":     func(w, h int) Model { return at(w, h, &fixed{frame: many()}, "app150") },
		"older":    func(w, h int) Model { return at(w, h, &fixed{frame: older()}, "web") },
		"help":     func(w, h int) Model { return at(w, h, &fixed{frame: running()}, "web", "?") },
		"question": func(w, h int) Model { return at(w, h, &fixed{frame: running()}, "web", "-") },
		"filter":   func(w, h int) Model { return at(w, h, &fixed{frame: running()}, "web", "/", "j", "o") },
		"stopped":  func(w, h int) Model { return at(w, h, &fixed{frame: running()}, "jobs", "r") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range [][2]int{{60, 20}, {100, 30}, {140, 40}} {
				m := scene(size[0], size[1])
				compare(t, fmt.Sprintf("%s-%dx%d.txt", name, size[0], size[1]), m)
			}
		})
	}
}

func compare(t *testing.T, file string, m Model) {
	t.Helper()
	lines := strings.Split(ansi.Strip(m.View().Content), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got := strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is another frame; go test ./internal/monit -update writes it. Now it is:\n%s", file, got)
	}
}

// TestNothingOverflows: at every size the screen has exactly its lines, none wider than it, and
// the chosen app is among them.
func TestNothingOverflows(t *testing.T) {
	t.Parallel()
	scenes := []Frame{running(), rolling(), draining(), failed(), many(), older(), {}}
	for _, frame := range scenes {
		for _, width := range []int{1, 30, 59, 60, 61, 75, 89, 90, 91, 100, 140, 250} {
			for _, height := range []int{1, 2, 19, 20, 21, 30, 60} {
				for _, keys := range [][]string{nil, {"tab"}, {"?"}, {"r"}, {"end"}} {
					m := at(width, height, &fixed{frame: frame}, "web", keys...)
					content := m.View().Content
					lines := strings.Split(content, "\n")
					if len(lines) != height {
						t.Fatalf("%dx%d has %d lines after %v", width, height, len(lines), keys)
					}
					for _, line := range lines {
						if w := ansi.StringWidth(line); w != width {
							t.Fatalf("%dx%d has a line of %d columns after %v: %q", width, height, w, keys, line)
						}
					}
					chosen := m.chosen()
					if width >= minWidth && height >= minHeight && chosen != nil && !m.help &&
						!strings.Contains(ansi.Strip(content), "▸ "+chosen.Name) && !m.inside {
						t.Fatalf("%dx%d does not show %s after %v:\n%s", width, height, chosen.Name, keys, content)
					}
				}
			}
		}
	}
}

// TestDocsFrame: the frame in docs/monit.md is one of the golden ones.
func TestDocsFrame(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/monit.md")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/rolling-100x30.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, frame, _ := strings.Cut(string(page), "```text\n")
	frame, _, found := strings.Cut(frame, "```")
	for line := range strings.Lines(frame) {
		if !strings.Contains(string(golden), line) {
			t.Errorf("docs/monit.md shows %q, which no frame has", line)
		}
	}
	if !found {
		t.Error("docs/monit.md shows no frame")
	}
}
