package test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// userPages returns the pages for users, README first.
func userPages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("docs/*.md")
	if err != nil || len(all) < 10 {
		t.Fatalf("only %d pages in docs, %v", len(all), err)
	}
	return append([]string{"README.md"}, all...)
}

// allPages returns the pages for users and those for developers.
func allPages(t *testing.T) []string {
	t.Helper()
	return append(userPages(t), "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
}

// block is a fenced block of a page: what follows the three backquotes, and its lines.
type block struct {
	info  string
	lines []string
}

// fenced separates a page's fenced blocks from its other lines.
func fenced(text string) (blocks []block, prose []string) {
	open := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && !open:
			open = true
			blocks = append(blocks, block{info: fence})
		case isFence:
			open = false
		case open:
			last := &blocks[len(blocks)-1]
			last.lines = append(last.lines, line)
		default:
			prose = append(prose, line)
		}
	}
	return blocks, prose
}

// TestPagesAreNarrow: README is one page, and prose has at most 120 columns.
func TestPagesAreNarrow(t *testing.T) {
	t.Parallel()
	if size := len(read(t, "README.md")); size > 8192 {
		t.Errorf("README.md has %d bytes; at most 8192: move a part to docs/", size)
	}
	for _, page := range append(userPages(t), "ARCHITECTURE.md", "CONTRIBUTING.md") {
		_, prose := fenced(read(t, page))
		for _, line := range prose {
			if utf8.RuneCountInString(line) > 120 && !strings.HasPrefix(strings.TrimSpace(line), "|") {
				t.Errorf("%s: wider than 120 columns: %s", page, line)
			}
		}
	}
}

// TestManifestsShown: pages show the manifests exactly as they are in their files.
func TestManifestsShown(t *testing.T) {
	t.Parallel()
	for page, file := range map[string]string{
		"docs/kubernetes.md": "packaging/kubernetes/relevo.yaml", "docs/nomad.md": "packaging/nomad/relevo.nomad.hcl",
	} {
		want := strings.TrimRight(read(t, file), "\n")
		blocks, _ := fenced(read(t, page))
		if !slices.ContainsFunc(blocks, func(b block) bool { return strings.Join(b.lines, "\n") == want }) {
			t.Errorf("%s does not show %s as it is: copy it there", page, file)
		}
	}
}
