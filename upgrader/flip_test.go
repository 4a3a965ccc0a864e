package upgrader

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestFlipTexts: tableflip has no types for its errors, so relevo recognizes them by their texts.
// tableflip's source has to contain these texts. An error of a start ends with the kernel's error.
func TestFlipTexts(t *testing.T) {
	texts := madeByTableflip(t, "New", "upgrader.go")
	for _, text := range []string{flipNotReady, flipParentLives} {
		if !slices.Contains(texts, text) {
			t.Errorf("tableflip makes no error %q: compare upgradeTable with it", text)
		}
	}
	formats := madeByTableflip(t, "Errorf", "upgrader.go", "child.go", "process.go")
	for _, format := range []string{"can't start child: %s", "can't start process %s: %s", "fork/exec: %s"} {
		if !slices.Contains(formats, format) {
			t.Errorf("tableflip makes no error %q: compare openForWriting with it", format)
		}
	}
	wrapped := fmt.Errorf("can't start child: %s", fmt.Errorf("fork/exec: %s", syscall.ETXTBSY))
	if !openForWriting(wrapped) || openForWriting(errors.New("fork/exec: no such file")) || openForWriting(nil) {
		t.Error("a program that is open for writing is not recognized")
	}
}

// madeByTableflip has, for each file of tableflip, the texts of which a function makes errors.
func madeByTableflip(t *testing.T, function string, files ...string) (texts []string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudflare/tableflip").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source := filepath.Join(strings.TrimSpace(string(dir)), file)
		parsed, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			of, isSelector := call.Fun.(*ast.SelectorExpr)
			text, isText := call.Args[0].(*ast.BasicLit)
			if isSelector && isText && of.Sel.Name == function {
				if message, err := strconv.Unquote(text.Value); err == nil {
					texts = append(texts, message)
				}
			}
			return true
		})
	}
	return texts
}
