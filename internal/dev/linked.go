package dev

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relevo/watch"
)

// dependencies is the directory of Node's packages. It is not watched, except for packages that are
// links to their sources: by npm link, or in the workspaces of a repository.
const dependencies = "node_modules"

// linkedPackages returns the links among a directory's dependencies that lead to sources.
func linkedPackages(dir string) (links []string) {
	for _, pattern := range []string{"*", "@*/*"} {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(dir), dependencies, pattern))
		for _, path := range found {
			info, err := os.Lstat(path)
			if err != nil || info.Mode()&os.ModeSymlink == 0 {
				continue
			}
			target, err := filepath.EvalSymlinks(path)
			// Package managers such as pnpm link to copies elsewhere; these are no sources.
			if err == nil && !slices.Contains(strings.Split(target, "/"), dependencies) {
				links = append(links, path)
			}
		}
	}
	return links
}

// escapeGlob escapes for filepath.Glob, whose patterns have no braces.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// withLinked adds, for each pattern of everything below a directory, the same pattern for the
// packages that are linked into it.
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
