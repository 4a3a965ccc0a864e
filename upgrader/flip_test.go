package upgrader

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestFlipTexts: tableflip makes its errors of the texts by which they are known here. It has
// no types for them.
func TestFlipTexts(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudflare/tableflip").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(dir)), "upgrader.go")
	parsed, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		of, isSelector := call.Fun.(*ast.SelectorExpr)
		text, isText := call.Args[0].(*ast.BasicLit)
		if isSelector && isText && of.Sel.Name == "New" {
			if message, err := strconv.Unquote(text.Value); err == nil {
				made[message] = true
			}
		}
		return true
	})
	for _, text := range []string{flipNotReady, flipParentLives} {
		if !made[text] {
			t.Errorf("%s makes no error %q: compare upgradeTable with it", source, text)
		}
	}
}
