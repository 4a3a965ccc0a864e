package dev

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relevo/watch"
)

// dependencies is the directory of packages of Node. It is not watched, but for the packages
// that are links to where they are written: npm link, and the workspaces of a repository.
const dependencies = "node_modules"

// linkedPackages returns the links to sources among a directory's dependencies.
func linkedPackages(dir string) (links []string) {
	for _, pattern := range []string{"*", "@*/*"} {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(dir), dependencies, pattern))
		for _, path := range found {
			info, err := os.Lstat(path)
			if err != nil || info.Mode()&os.ModeSymlink == 0 {
				continue
			}
			target, err := filepath.EvalSymlinks(path)
			// What a package manager keeps elsewhere and links to is no source.
			if err == nil && !slices.Contains(strings.Split(target, "/"), dependencies) {
				links = append(links, path)
			}
		}
	}
	return links
}

// escapeGlob is for filepath.Glob, whose language has no braces.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// withLinked adds to patterns for everything below a directory the same ones for the packages
// that are linked into it.
func withLinked(dir string, globs []string) []string {
	all := globs
	for _, glob := range globs {
		rest, everywhere := strings.CutPrefix(glob, watch.Escape(dir)+"/**")
		if !everywhere {
			continue
		}
		for _, link := range linkedPackages(dir) {
			all = append(all, watch.Escape(link)+"/**"+rest)
		}
	}
	return all
}
