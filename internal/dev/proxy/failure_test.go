package proxy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFailureView(t *testing.T) {
	e := editor{template: defaultEditor, root: "/src/my app"}
	got := e.view(Failure{
		Title: "build \x1b[31mfailed\x1b[0m",
		Problems: []Problem{
			{File: "cmd/a.go", Line: 3, Column: 7, Text: "no\xff"},
			{File: "/abs/b#1?.go", Line: 2, Text: "x"},
			{File: "c.go", Text: "y"},
			{Text: "no place"},
		},
		Output: "a\x1b]8;;http://x\x1b\\link\x1b]8;;\x07\tb\r\n\x1b(Bend\n\n",
	})
	want := &failureView{
		Title: "build failed",
		Problems: []problemView{
			{"cmd/a.go:3:7", "vscode://file/src/my%20app/cmd/a.go:3:7", "no\uFFFD"},
			{"/abs/b#1?.go:2", "vscode://file/abs/b%231%3F.go:2:1", "x"},
			{"c.go", "vscode://file/src/my%20app/c.go:1:1", "y"},
			{"", "", "no place"},
		},
		Output: "alink\tb\nend",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailureIsBounded(t *testing.T) {
	v := editor{}.view(Failure{
		Problems: make([]Problem, 1000),
		Output:   strings.Repeat("first line\n", maxOutput) + "last line",
	})
	if len(v.Problems) != maxProblems || len(v.Output) > maxOutput+8 || !strings.HasPrefix(v.Output, "…\nfirst") ||
		!strings.HasSuffix(v.Output, "\nlast line") {
		t.Errorf("%d problems, %d bytes: %.20q", len(v.Problems), len(v.Output), v.Output)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{Target: "nowhere"},
		{Target: "127.0.0.1:1", Editor: "javascript:alert({line})"},
		{Target: "127.0.0.1:1", Editor: "{path}"},
		{Target: "127.0.0.1:1", Listen: "no:such:address"},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
