package test

import (
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"relevo/internal/lazyregexp"
)

// forTests are directories of packages that only tests and readers use.
var forTests = lazyregexp.New(`^(test|examples)\b|^internal/(test|systemdbox|workertest)|^pool/pooltest`)

var (
	link     = lazyregexp.New(`\]\(([^)\s]+)\)`)
	codeSpan = lazyregexp.New("`[^`]*`")
)

// TestLinks: every file and heading of the repository that a page links to exists.
func TestLinks(t *testing.T) {
	t.Parallel()
	count := 0
	for _, page := range allPages(t) {
		_, prose := fenced(read(t, page))
		text := codeSpan.ReplaceAllString(strings.Join(prose, "\n"), "")
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			count++
			if why := broken(t, page, found[1]); why != "" {
				t.Errorf("%s links to %s: %s", page, found[1], why)
			}
		}
	}
	if count < 100 {
		t.Errorf("only %d links were found", count)
	}
}

// TestPagesAreReachable: docs/README.md leads to every page.
func TestPagesAreReachable(t *testing.T) {
	t.Parallel()
	index := read(t, "docs/README.md")
	for _, page := range userPages(t)[1:] {
		if name := path.Base(page); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md has no link to %s", name)
		}
	}
}

// TestArchitectureNamesPackages: ARCHITECTURE.md names every package except those that only tests
// import.
func TestArchitectureNamesPackages(t *testing.T) {
	t.Parallel()
	text := read(t, "ARCHITECTURE.md")
	for importPath := range listPackages(t) {
		dir, inside := strings.CutPrefix(importPath, "relevo/")
		if inside && !forTests.MatchString(dir) && !strings.Contains(text, "]("+dir+"/") {
			t.Errorf("ARCHITECTURE.md has no link to a file of %s: add a row to its table of packages", dir)
		}
	}
}

// broken returns the reason why a page's link is broken.
func broken(t *testing.T, page, target string) string {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	to := page
	if file != "" {
		to = path.Join(path.Dir(page), file)
	}
	if _, err := os.Stat(to); err != nil {
		return "there is no " + to
	}
	if anchor != "" && !anchors(read(t, to))[anchor] {
		return to + " has no such heading"
	}
	return ""
}

// anchors returns the names that GitHub gives to a page's headings.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	_, prose := fenced(text)
	for _, line := range prose {
		level := len(line) - len(strings.TrimLeft(line, "#"))
		if level == 0 || !strings.HasPrefix(line[level:], " ") {
			continue
		}
		name := anchorName(line[level+1:])
		for n, unique := 1, name; ; n++ {
			if !all[unique] {
				all[unique] = true
				break
			}
			unique = name + "-" + strconv.Itoa(n)
		}
	}
	return all
}

func anchorName(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// TestAnchors: headings get the names that GitHub gives them.
func TestAnchors(t *testing.T) {
	t.Parallel()
	got := anchors("# Node's `cluster`, twice\n\n```\n# a comment\n```\n\n## [limits]\n## Limits\n")
	for _, want := range []string{"nodes-cluster-twice", "limits", "limits-1"} {
		if !got[want] {
			t.Errorf("no anchor %s in %v", want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("anchors %v", got)
	}
}
