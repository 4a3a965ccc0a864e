package test

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"relevo/internal/lazyregexp"
)

var (
	// namedAfter finds [file](dir/file.go), `Name`, `Other` and namedBefore `Name` ([file](dir/file.go)).
	namedAfter  = lazyregexp.New("\\]\\(([\\w./-]+\\.go)\\)((?:,\\s+`[\\w.]+`)+)")
	namedBefore = lazyregexp.New("`([\\w.]+)`\\s+\\(\\[[^\\]]+\\]\\(([\\w./-]+\\.go)\\)")
)

// TestNamedInFiles: the Go names that a page gives beside a link to a Go file are in that file.
// Names of tests are left out: they are in other files.
func TestNamedInFiles(t *testing.T) {
	t.Parallel()
	count := 0
	for _, page := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md"} {
		text := read(t, page)
		has := func(file, name string) {
			if name = strings.Trim(name, "`, \n"); name == "" || strings.HasPrefix(name, "Test") {
				return
			}
			count++
			last := name[strings.LastIndex(name, ".")+1:]
			if !regexp.MustCompile(`\b` + last + `\b`).MatchString(read(t, path.Join(path.Dir(page), file))) {
				t.Errorf("%s names %s of %s, which does not have it", page, name, file)
			}
		}
		for _, found := range namedAfter.FindAllStringSubmatch(text, -1) {
			for name := range strings.SplitSeq(found[2], ",") {
				has(found[1], name)
			}
		}
		for _, found := range namedBefore.FindAllStringSubmatch(text, -1) {
			has(found[2], found[1])
		}
	}
	if count < 50 {
		t.Errorf("only %d names were found", count)
	}
}
