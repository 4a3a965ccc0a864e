package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layered are packages in which files may use each other only in one direction, with the reason.
var layered = map[string]string{
	"internal/master": "it wires everything, and each file has to be read with no more than those that it uses",
	"internal/decide": "each decision stands alone",
	"internal/keeper": "what is kept is nothing to what keeps it",
}

// fileUses are the uses between the files of a package: user, used file, and one of the used names.
type fileUses map[string]map[string]string

// TestFilesUseOneWay: in a package of layered no file uses, directly or through others, a file that
// uses it. What is used may be a function, a method, a type, a field or a value.
func TestFilesUseOneWay(t *testing.T) {
	t.Parallel()
	for pkg, because := range layered {
		uses, err := usesBetweenFiles(pkg)
		if err != nil {
			t.Errorf("%s: %v", pkg, err)
			continue
		}
		for _, circle := range uses.circles() {
			t.Errorf("files of %s use each other in a circle: %s\n  %s; move what is used into a file below", pkg,
				uses.tell(circle), because)
		}
	}
}

// TestCirclesAreFound: the test above finds a circle of any length, and nothing else.
func TestCirclesAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module circles\ngo 1.25\n", "top.go": "package p\nfunc top() { middle(t{}.f) }",
		"middle.go": "package p\ntype t struct { f int }\nfunc middle(n int) { t{}.bottom() }",
		"bottom.go": "package p\nfunc (t) bottom() { leaf = 1 }", "leaf.go": "package p\nvar leaf int",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	uses, err := usesBetweenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	circles := uses.circles()
	if len(circles) != 1 || !slices.Equal(circles[0], []string{"bottom.go", "middle.go"}) {
		t.Errorf("circles %q of %v", circles, uses)
	}
	if want := "bottom.go uses t of middle.go, middle.go uses bottom of bottom.go"; uses.tell(circles[0]) != want {
		t.Errorf("got %q, want %q", uses.tell(circles[0]), want)
	}
}

// usesBetweenFiles reads a package with its types.
func usesBetweenFiles(dir string) (fileUses, error) {
	fset := token.NewFileSet()
	files, compiled, err := parsePackage(fset, dir)
	if err != nil {
		return nil, err
	}
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(compiled[path])
	})}
	pkg, err := config.Check("p", fset, files, &info)
	if err != nil {
		return nil, err
	}
	fileOf := func(p token.Pos) string { return path.Base(fset.Position(p).Filename) }
	uses := fileUses{}
	for use, of := range info.Uses {
		from, to := fileOf(use.Pos()), fileOf(of.Pos())
		if of.Pkg() != pkg || from == to {
			continue
		}
		if uses[from] == nil {
			uses[from] = map[string]string{}
		}
		uses[from][to] = max(uses[from][to], of.Name()) // any of the names, but always the same one
	}
	return uses, nil
}

// parsePackage returns the files of a package, and the files with what it imports.
func parsePackage(fset *token.FileSet, dir string) (files []*ast.File, compiled map[string]string, err error) {
	list := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,GoFiles,DepOnly", ".")
	list.Dir = dir
	out, err := list.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return nil, nil, errors.New(string(failed.Stderr))
	} else if err != nil {
		return nil, nil, err
	}
	compiled = map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p struct {
			ImportPath, Export string
			GoFiles            []string
			DepOnly            bool
		}
		if err := decoder.Decode(&p); err != nil {
			return nil, nil, err
		}
		compiled[p.ImportPath] = p.Export
		for _, name := range p.GoFiles {
			if p.DepOnly {
				break
			}
			file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, nil, err
			}
			files = append(files, file)
		}
	}
	return files, compiled, nil
}

// reached returns the files that a file uses, directly or through others.
func (u fileUses) reached(from string) map[string]bool {
	all := map[string]bool{}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		for to := range u[next[0]] {
			if !all[to] {
				all[to], next = true, append(next, to)
			}
		}
	}
	return all
}

// circles returns the groups of files that all use each other.
func (u fileUses) circles() (all [][]string) {
	known := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(u)) {
		if known[file] || !u.reached(file)[file] {
			continue
		}
		var circle []string
		for _, other := range slices.Sorted(maps.Keys(u.reached(file))) {
			if u.reached(other)[file] {
				circle, known[other] = append(circle, other), true
			}
		}
		all = append(all, circle)
	}
	return all
}

// tell says what the files of a circle use of each other.
func (u fileUses) tell(circle []string) string {
	var all []string
	for _, from := range circle {
		for _, to := range circle {
			if name, found := u[from][to]; found {
				all = append(all, from+" uses "+name+" of "+to)
			}
		}
	}
	return strings.Join(all, ", ")
}
