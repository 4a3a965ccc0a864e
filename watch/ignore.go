package watch

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/git-pkgs/gitignore"
)

// ignores knows the ignore files of the watched trees: git's, with its global and private
// lists, and .ignore, which overrides them. An ignore file is read when its directory is
// entered.
type ignores struct {
	repos map[string]*repository // by the base of a pattern, links resolved
	real  map[string]string      // those bases by the base as the pattern writes it
}

// repository is a working tree of git, or the tree below a base without one.
type repository struct {
	root   string
	git    *gitignore.Matcher
	plain  *gitignore.Matcher // .ignore
	loaded map[string]bool    // directories whose ignore files were read
}

func newIgnores() *ignores {
	return &ignores{repos: map[string]*repository{}, real: map[string]string{}}
}

// repo returns the repository that base is in. If the repository ignores base itself, its
// lists are not used below base, because the user has asked for base.
func (g *ignores) repo(base string) *repository {
	if r := g.repos[base]; r != nil {
		return r
	}
	r := g.rooted(repositoryRoot(base))
	if rel, _ := under(r.root, base); rel != "" {
		r.load(rel)
		if r.ignoresAbove(rel) {
			r = g.rooted(base)
		}
	}
	g.repos[base] = r
	return r
}

func (g *ignores) rooted(root string) *repository {
	r := g.repos[root]
	if r == nil {
		r = &repository{root: root, git: gitignore.New(root), plain: new(gitignore.Matcher),
			loaded: map[string]bool{root: true}}
		r.plain.AddFromFile(filepath.Join(root, ".ignore"), "")
		g.repos[root] = r
	}
	return r
}

// ignoresAbove says whether a directory, or one above it, is ignored.
func (r *repository) ignoresAbove(rel string) bool {
	for end := range len(rel) {
		if rel[end] == '/' && r.match(rel[:end], true) {
			return true
		}
	}
	return r.match(rel, true)
}

// where returns base with symbolic links resolved. A linked package has the ignore lists of the
// repository in which it really lies.
func (g *ignores) where(base string) string {
	real, known := g.real[base]
	if !known {
		var err error
		if real, err = filepath.EvalSymlinks(base); err != nil {
			return base // it may be made later
		}
		g.real[base] = real
	}
	return real
}

// repositoryRoot returns the nearest directory at or above base that has a .git, otherwise
// base.
func repositoryRoot(base string) string {
	for dir := base; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return base
		}
	}
}

// match says whether a path below base is ignored, or lies in an ignored directory.
func (g *ignores) match(base, path string, dir bool) bool {
	real := g.where(base)
	if rest, below := under(base, path); below {
		path = filepath.Join(real, rest)
	}
	base = real
	r := g.repo(base)
	rel, ok := under(r.root, path)
	if !ok || rel == "" {
		return false
	}
	from, _ := under(r.root, base)
	for end := 0; end < len(rel); {
		next := strings.IndexByte(rel[end:], '/')
		if next < 0 {
			r.load(rel)
			return r.match(rel, dir)
		}
		end += next
		// The directories above base do not count: the user has asked for base.
		if part := rel[:end]; len(part) > len(from) {
			r.load(part)
			if r.match(part, true) {
				return true
			}
		}
		end++
	}
	return false
}

// load reads the ignore files of the directories above a path, the upper ones first, because
// later patterns win.
func (r *repository) load(rel string) {
	for i := range len(rel) {
		if rel[i] != '/' || r.loaded[rel[:i]] {
			continue
		}
		dir := rel[:i]
		r.loaded[dir] = true
		r.git.AddFromFile(filepath.Join(r.root, dir, ".gitignore"), dir)
		r.plain.AddFromFile(filepath.Join(r.root, dir, ".ignore"), dir)
	}
}

func (r *repository) match(rel string, dir bool) bool {
	name := rel
	if dir {
		name += "/"
	}
	if said := r.plain.MatchDetail(name); said.Matched {
		return said.Ignored
	}
	return r.git.Match(name)
}
