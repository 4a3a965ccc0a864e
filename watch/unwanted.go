package watch

import (
	"path"
	"slices"
	"strings"
)

// unwantedDirs are directories without files that people edit.
var unwantedDirs = []string{
	".git", ".hg", ".svn", ".jj", ".bzr", "node_modules", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache",
	".ruff_cache", ".idea", ".vscode", ".cache", ".direnv",
}

// unwantedFiles are temporary files of editors and file managers, and the ignore files
// themselves.
var unwantedFiles = []string{
	"*~", ".*.sw?", ".*.sw", "4913", "#*#", ".#*", "*___jb_tmp___", "*___jb_old___", ".goutputstream-*", "*.kate-swp",
	".DS_Store", "*.pyc", "*.pyo", ".gitignore", ".ignore", ".gitattributes",
}

// unwanted says whether a path below base is unwanted, even if a pattern matches it. The
// directories above base do not matter, because the user has named them.
func unwanted(base, name string) bool {
	rest, _ := under(base, name)
	dir, file := path.Split(rest)
	for part := range strings.SplitSeq(dir, "/") {
		if slices.Contains(unwantedDirs, part) {
			return true
		}
	}
	if slices.Contains(unwantedDirs, file) {
		return true
	}
	return slices.ContainsFunc(unwantedFiles, func(pattern string) bool {
		ok, _ := path.Match(pattern, file)
		return ok
	})
}

func isIgnoreFile(name string) bool { return name == ".gitignore" || name == ".ignore" }
