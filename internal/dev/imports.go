package dev

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/safefile"
)

// imports remembers, file by file, what decides which packages a program consists of.
type imports struct {
	seen map[string]string // by path
}

// changed says whether the packages have to be listed again: a Go file was added or removed, has
// other imports or embeds, or a module file changed.
func (m *imports) changed(paths []string) (list bool) {
	for _, path := range paths {
		switch name := filepath.Base(path); {
		case name == "go.mod" || name == "go.work":
			list = true
		case strings.HasSuffix(name, ".go"):
			before, known := m.seen[path]
			now := fingerprint(path)
			m.seen[path] = now
			list = list || !known || before != now
		}
	}
	return list
}

// fingerprint has the parts of a Go file that the list of packages depends on: package,
// constraints, imports, embeds.
func fingerprint(path string) string {
	text, err := safefile.Read(path, 64<<20)
	if err != nil {
		return ""
	}
	var all []string
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil && file == nil {
		return err.Error()
	}
	for _, spec := range file.Imports {
		all = append(all, spec.Path.Value)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "//go:embed ") || strings.HasPrefix(line, "//go:build ") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	slices.Sort(all)
	return fmt.Sprint(file.Name, all)
}
