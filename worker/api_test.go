package worker

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestNoInternalTypeIsExported: a program of another module can name every type
// that the SDK gives it.
func TestNoInternalTypeIsExported(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	dir, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range dir.GoFiles {
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", compiledImports(t))}
	pkg, err := config.Check("relevo/worker", fset, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	api := exported{t: t, seen: map[types.Type]bool{}}
	for _, name := range pkg.Scope().Names() {
		if o := pkg.Scope().Lookup(name); o.Exported() {
			api.visit(name, o.Type())
		}
	}
	if len(api.seen) < 20 {
		t.Errorf("only %d types were visited", len(api.seen))
	}
}

// compiledImports finds what the compiler has written of the packages that this one imports. The test needs their
// types only; to check their sources, all of net/http, takes seconds.
func compiledImports(t *testing.T) importer.Lookup {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// exported walks the types that a user of a package can reach.
type exported struct {
	t    *testing.T
	seen map[types.Type]bool
}

func (e exported) visit(from string, of types.Type) {
	of = types.Unalias(of)
	if e.seen[of] {
		return
	}
	e.seen[of] = true
	switch of := of.(type) {
	case *types.Named:
		e.visitNamed(from, of)
	case *types.Struct:
		for f := range of.Fields() {
			if f.Exported() {
				e.visit(from+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
		for m := range of.Methods() {
			e.visit(from+"."+m.Name(), m.Type())
		}
	case *types.Signature:
		e.visit(from, of.Params())
		e.visit(from, of.Results())
	case *types.Tuple:
		for v := range of.Variables() {
			e.visit(from, v.Type())
		}
	case *types.Map:
		e.visit(from, of.Key())
		e.visit(from, of.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		e.visit(from, of.Elem())
	}
}

// visitNamed ends at the types of other modules and of the standard library.
func (e exported) visitNamed(from string, of *types.Named) {
	pkg := of.Obj().Pkg()
	if pkg == nil || !strings.HasPrefix(pkg.Path(), "relevo/") {
		return
	}
	if strings.Contains(pkg.Path(), "/internal/") {
		e.t.Errorf("%s shows %s: give the SDK a type of its own", from, of)
		return
	}
	e.visit(from, of.Underlying())
	for m := range of.Methods() {
		if m.Exported() {
			e.visit(from+"."+m.Name(), m.Type())
		}
	}
}
