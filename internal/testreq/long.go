package testreq

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

var long = longFlag()

func longFlag() *longTests {
	l := new(longTests)
	flag.Var(l, "long", "also run the tests that take long: heavy loads, many kills and upgrades, "+
		"several features at once, systemd, containers, browsers; -long=only runs those alone, unless -run names others")
	return l
}

// longTests is the flag -long.
type longTests struct{ asked bool }

func (*longTests) IsBoolFlag() bool { return true }

func (l *longTests) String() string { return fmt.Sprint(l.asked) }

func (l *longTests) Set(value string) error {
	l.asked = value == "true" || value == "only"
	if value != "only" {
		return nil
	}
	names, err := longIn(".")
	if err != nil {
		return err
	}
	if run := flag.Lookup("test.run"); run.Value.String() == "" {
		return run.Value.Set("^(" + strings.Join(names, "|") + ")$")
	}
	return nil
}

// longIn names the tests of a directory that call TakesLong or Long, or something else there that does:
// without a list that a new test would have to be written into.
func longIn(dir string) (tests []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("cannot find the tests that take long: no *_test.go in %s: %w", dir, fs.ErrNotExist)
	}
	calls := map[string][]string{} // what a function calls, by its name
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("cannot find the tests that take long: %w", err)
		}
		for _, declared := range file.Decls {
			if f, is := declared.(*ast.FuncDecl); is {
				calls[f.Name.Name] = append(calls[f.Name.Name], calledIn(f)...)
			}
		}
	}
	for name := range calls {
		if strings.HasPrefix(name, "Test") && name != "TestMain" && reaches(calls, name, map[string]bool{}) {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	return tests, nil
}

// calledIn names what a function mentions, called or not.
func calledIn(f *ast.FuncDecl) (names []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		if name, is := n.(*ast.Ident); is && name != f.Name {
			names = append(names, name.Name)
		}
		return true
	})
	return names
}

func reaches(calls map[string][]string, from string, seen map[string]bool) bool {
	if from == "TakesLong" || from == "Long" {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(calls[from], func(next string) bool { return reaches(calls, next, seen) })
}
