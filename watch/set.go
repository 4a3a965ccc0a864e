package watch

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// Set says which files of a tree matter. All patterns are absolute and slash-separated, in
// the language of doublestar: * ** ? [a-z] {a,b}. Escape makes a pattern of a path.
type Set struct {
	// Globs do not match ignored files, and not the unwanted ones: the directories of
	// version control, dependencies and caches, and temporary files of editors.
	Globs []string
	// Exact match these files, too, because the user has named them.
	Exact []string
	// Not excludes files from both. A directory that it matches is not entered.
	Not []string
	// NoIgnore says that ignore files (.gitignore, .ignore, git's own) are not read.
	NoIgnore bool
	// Since is for a set that replaces another one: files that are new in this set count
	// as changed if they were written after that moment. Zero: they do not.
	Since time.Time
}

// Escape returns a pattern that matches only path.
func Escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`).Replace(path)
}

// Check returns an error if a pattern is not valid.
func Check(pattern string) error {
	switch {
	case pattern == "":
		return errors.New("cannot watch an empty pattern: write one such as **/*.py")
	case !doublestar.ValidatePattern(pattern):
		return fmt.Errorf("cannot use %q as a pattern: a bracket or brace is not closed", pattern)
	}
	return nil
}

// scope is one pattern, and where its files can be.
type scope struct {
	pattern string
	base    string // the directory above all its files
	depth   int    // directories below base that files can be in; -1: any number
	exact   bool
}

func newScope(pattern string, exact bool) scope {
	base, rest := doublestar.SplitPattern(pattern)
	s := scope{pattern: pattern, base: filepath.Clean(unescape(base)), exact: exact}
	s.depth = strings.Count(rest, "/")
	if strings.Contains(rest, "**") {
		s.depth = -1
	}
	return s
}

// unescape undoes Escape in the part of a pattern that has no meta characters.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// reaches says whether files in dir can match, judged by the pattern alone.
func (s scope) reaches(dir string) bool {
	rest, below := under(s.base, dir)
	switch {
	case !below:
		return false
	case rest == "":
		return true
	}
	return s.depth < 0 || strings.Count(rest, "/")+1 <= s.depth
}

// under returns the path from base to path, "" for base itself.
func under(base, path string) (rest string, ok bool) {
	if path == base {
		return "", true
	}
	if base != "/" {
		base += "/"
	}
	return strings.CutPrefix(path, base)
}

// selection decides which files and directories belong to a Set.
type selection struct {
	scopes []scope
	not    []string
	ignore *ignores // nil: no ignore files
	locks  []string // locks that git holds while it writes to a watched tree
}

func newSelection(set Set) *selection {
	s := &selection{not: set.Not}
	for _, pattern := range set.Exact {
		s.scopes = append(s.scopes, newScope(pattern, true))
	}
	for _, pattern := range set.Globs {
		s.scopes = append(s.scopes, newScope(pattern, false))
	}
	if !set.NoIgnore {
		s.ignore = newIgnores()
	}
	for _, base := range s.bases() {
		lock := filepath.Join(gitDir(repositoryRoot(base)), "index.lock")
		if !slices.Contains(s.locks, lock) {
			s.locks = append(s.locks, lock)
		}
	}
	return s
}

// bases returns the directories in which the patterns begin.
func (s *selection) bases() (all []string) {
	for _, scope := range s.scopes {
		all = append(all, scope.base)
	}
	return all
}

// file says whether a file matters.
func (s *selection) file(path string) bool {
	for _, scope := range s.scopes {
		if ok, _ := doublestar.Match(scope.pattern, path); !ok {
			continue
		}
		if s.excluded(path) {
			return false
		}
		if scope.exact || !unwanted(scope.base, path) && !s.ignored(scope.base, path, false) {
			return true
		}
	}
	return false
}

// dir says whether files in a directory can matter.
func (s *selection) dir(path string) bool {
	for _, scope := range s.scopes {
		if !scope.reaches(path) {
			continue
		}
		if s.excluded(path) && path != scope.base {
			return false
		}
		if scope.exact || path == scope.base || !unwanted(scope.base, path) && !s.ignored(scope.base, path, true) {
			return true
		}
	}
	return false
}

// link says whether files in the directory that a symbolic link leads to can matter. For git
// the link is a file, for people it is often a directory: it is ignored if either is.
func (s *selection) link(path string) bool {
	for _, scope := range s.scopes {
		if scope.reaches(path) && path != scope.base && !s.excluded(path) &&
			(scope.exact || !unwanted(scope.base, path) && !s.ignored(scope.base, path, true) && !s.ignored(scope.base, path,
				false)) {
			return true
		}
	}
	return false
}

// begins says whether a pattern begins at a directory.
func (s *selection) begins(path string) bool { return slices.Contains(s.bases(), path) }

// below says whether a path is a base of a pattern, or lies below one.
func (s *selection) below(path string) bool {
	return slices.ContainsFunc(s.scopes, func(scope scope) bool { _, ok := under(scope.base, path); return ok })
}

func (s *selection) excluded(path string) bool {
	for _, pattern := range s.not {
		if ok, _ := doublestar.Match(pattern, path); ok {
			return true
		}
		if above, all := strings.CutSuffix(pattern, "/**"); all {
			if ok, _ := doublestar.Match(above, path); ok {
				return true
			}
		}
	}
	return false
}

func (s *selection) ignored(base, path string, dir bool) bool {
	return s.ignore != nil && s.ignore.match(base, path, dir)
}

// Matcher says whether paths belong to a Set, by the patterns alone: ignored and unwanted
// files match, too.
type Matcher struct{ all *selection }

// NewMatcher returns a Matcher for a Set.
func NewMatcher(set Set) Matcher {
	return Matcher{newSelection(Set{Exact: append(append([]string(nil), set.Globs...), set.Exact...), Not: set.Not,
		NoIgnore: true})}
}

// Match says whether a path belongs to the set.
func (m Matcher) Match(path string) bool { return m.all.file(path) }
