package machine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

func parseGo(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// typesWith returns the types of a file that have the marker method of a closed set.
func typesWith(t *testing.T, file, method string) []string {
	t.Helper()
	var names []string
	for _, d := range parseGo(t, file).Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == method {
			names = append(names, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no type with method %s", file, method)
	}
	return names
}

// constantsOf returns the values of a file's constants of a string type.
func constantsOf(t *testing.T, file, typ string) []string {
	t.Helper()
	var values []string
	ast.Inspect(parseGo(t, file), func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if name, ok := v.Type.(*ast.Ident); ok && name.Name == typ {
				value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants of type %s", file, typ)
	}
	return values
}

// TestDiagramNamesEveryState looks only at the indented lines of the package comment: a mention in
// the prose does not count.
func TestDiagramNamesEveryState(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	diagram := regexp.MustCompile(`(?m)^//\t.*$`).FindAllString(string(doc), -1)
	var words []string
	for _, line := range diagram {
		words = append(words, regexp.MustCompile(`[a-z]+`).FindAllString(line, -1)...)
	}
	for _, state := range constantsOf(t, "state.go", "State") {
		if !slices.Contains(words, state) {
			t.Errorf("the diagram in doc.go does not name the state %q", state)
		}
	}
}

// TestScenariosUseEveryWord: a word that no scenario uses is either untested or dead.
func TestScenariosUseEveryWord(t *testing.T) {
	used := map[string]bool{}
	for _, file := range scenarioFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := &play{}
		if _, err := p.file(string(text)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, e := range p.events {
			used[reflect.TypeOf(e).Name()] = true
		}
		for _, e := range p.effects {
			used[reflect.TypeOf(e).Name()] = true
			switch e := e.(type) {
			case Moved:
				used[string(e.To)] = true
			case RollEnded:
				used[string(e.Result)] = true
			}
		}
	}
	words := append(typesWith(t, "event.go", "event"), typesWith(t, "effect.go", "effect")...)
	words = append(words, constantsOf(t, "effect.go", "Result")...)
	for _, state := range constantsOf(t, "state.go", "State") {
		if State(state) != Backoff { // no worker is in backoff, only its slot
			words = append(words, state)
		}
	}
	for _, word := range words {
		if !used[word] {
			t.Errorf("no scenario has %s", word)
		}
	}
}

type strange struct{}

func (strange) event() {}

func TestUnknownEventIsOurBug(t *testing.T) {
	defer func() {
		if r := recover(); r != "internal error: machine: unknown event machine.strange" {
			t.Errorf("Step answered an unknown event with %v", r)
		}
	}()
	New(Options{}).Step(epoch, strange{})
}
