package watch

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/git-pkgs/gitignore"
)

// ignores knows the ignore files of the trees that are watched: git's, with its
// global and private lists, and .ignore, whose word counts more. A file's
// patterns are read when its directory is entered.
type ignores struct {
	repos map[string]*repository // by the directory that a pattern begins at
}

// repository is a working tree of git, or the tree below a base without one.
type repository struct {
	root   string
	git    *gitignore.Matcher
	plain  *gitignore.Matcher // .ignore
	loaded map[string]bool    // directories whose files were read
}

func newIgnores() *ignores { return &ignores{repos: map[string]*repository{}} }

// repo returns the repository that base is in.
func (g *ignores) repo(base string) *repository {
	if r := g.repos[base]; r != nil {
		return r
	}
	root := repositoryRoot(base)
	r := g.repos[root]
	if r == nil {
		r = &repository{root: root, git: gitignore.New(root), plain: new(gitignore.Matcher), loaded: map[string]bool{root: true}}
		r.plain.AddFromFile(filepath.Join(root, ".ignore"), "")
		g.repos[root] = r
	}
	g.repos[base] = r
	return r
}

// repositoryRoot is the nearest directory at or above base with a .git in it,
// else base.
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

// match says whether a path below base is ignored. What lies in an ignored
// directory is, too.
func (g *ignores) match(base, path string, dir bool) bool {
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
		// What base lies in was asked for.
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

// load reads the ignore files of the directories above a path, the upper ones
// first: later patterns win.
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
