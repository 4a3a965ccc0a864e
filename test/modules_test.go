package test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestPackagingKnowsModules: packaging builds relevo's commands, so its list of modules has relevo's.
func TestPackagingKnowsModules(t *testing.T) {
	t.Parallel()
	const format = "{{with .Module}}{{if .Version}}{{.Path}} {{end}}{{end}}"
	modules, err := exec.Command("go", "list", "-deps", "-f", format, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("packaging/go.sum")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		fields := strings.Fields(line)
		known[fields[0]] = known[fields[0]] || !strings.HasSuffix(fields[1], "/go.mod")
	}
	for _, module := range slices.Compact(strings.Fields(string(modules))) {
		if !known[module] {
			t.Errorf("packaging/go.sum does not have %s: run go mod tidy in packaging", module)
		}
	}
}
