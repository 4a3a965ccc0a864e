package dev

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		output string
		want   []string
	}{
		"go build": {"# shop/cmd/shop\ncmd/shop/main.go:12:5: undefined: foo\ncmd/shop/main.go:14:2: " +
			"declared and not used: x\n",
			[]string{"/src/cmd/shop/main.go:12:5: undefined: foo", "/src/cmd/shop/main.go:14:2: declared and not used: x"}},
		"go, absolute and relative upward": {"/src/a.go:1:1: expected 'package'\n../lib/b.go:3: oops\n",
			[]string{"/src/a.go:1:1: expected 'package'", "/lib/b.go:3: oops"}},
		"go vet's and gcc's prefixes": {"vet: ./x.go:3:4: bad\nx.c:7:10: fatal error: no.h: No such file or directory\n",
			[]string{"/src/x.c:7:10: fatal error: no.h: No such file or directory"}},
		"typescript": {"src/app.ts(12,5): error TS2304: Cannot find name 'foo'.\n",
			[]string{"/src/src/app.ts:12:5: error TS2304: Cannot find name 'foo'."}},
		"tsc in colours": {"\x1b[96msrc/app.ts\x1b[0m:\x1b[93m12\x1b[0m:\x1b[93m5\x1b[0m - \x1b[91merror\x1b[0m\x1b[90m " +
			"TS2304: \x1b[0mCannot find name.\n",
			[]string{"/src/src/app.ts:12:5: error TS2304: Cannot find name."}},
		"rust": {"error[E0425]: cannot find value `x`\n --> src/main.rs:4:9\n",
			[]string{"/src/src/main.rs:4:9: error[E0425]: cannot find value `x`"}},
		"python": {"Traceback (most recent call last):\n  File \"/src/app.py\", line 3, in <module>\n    foo()\n" +
			"NameError: name 'foo' is not defined\n",
			[]string{"/src/app.py:3: NameError: name 'foo' is not defined"}},
		"a panic's trace": {"panic: boom\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/usr/lib/go/x.go:1 +0x5\nmain.main()\n" +
			"\t/src/main.go:9 +0x1d\n",
			[]string{"/src/main.go:9: panic: boom"}},
		"node": {"/src/app.js:1\nconst x = htp.y\n\nReferenceError: htp is not defined\n" +
			"    at Object.<anonymous> (/src/app.js:1:11)\n    at node:internal/main/run_main_module:28:49\n",
			[]string{"/src/app.js:1: ReferenceError: htp is not defined",
				"/src/app.js:1:11: ReferenceError: htp is not defined"}},
		"node, syntax": {"begins\nfile:///src/app.mjs:3\nconst x = ;\n          ^\n\nSyntaxError: Unexpected token ';'\n" +
			"    at wrapSafe (node:internal/x:1:2)\n",
			[]string{"/src/app.mjs:3: SyntaxError: Unexpected token ';'"}},
		"node, a module": {"ReferenceError: b is not defined\n    at file:///src/app.mjs:3:1\n" +
			"    at async f (node:internal/x:1:2)\n",
			[]string{"/src/app.mjs:3:1: ReferenceError: b is not defined"}},
		"no places":      {"listening on 127.0.0.1:8080\n2026/11/24 10:00:00 hello\nhttp://localhost:80: no\n", nil},
		"twice the same": {"a.go:1:1: x\na.go:1:1: x\n", []string{"/src/a.go:1:1: x"}},
	} {
		t.Run(name, func(t *testing.T) {
			exists := func(path string) bool {
				return strings.HasPrefix(path, "/src/") && !strings.Contains(path, "127.0") || path == "/lib/b.go"
			}
			var got []string
			for _, p := range problemsIn(c.output, "/src", exists) {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzProblems(f *testing.F) {
	f.Add("a.go:1:2: x\n  File \"a\", line 3\nb(1,2): y")
	f.Fuzz(func(t *testing.T, output string) {
		for _, p := range problemsIn(output, "/src", func(string) bool { return true }) {
			if p.File == "" || p.Line < 1 {
				t.Errorf("%q gives %+v", output, p)
			}
		}
	})
}

// TestReasonWithoutProblems: the title does not repeat what a problem says.
func TestReasonWithoutProblems(t *testing.T) {
	problems := []Problem{{Text: "warned"}, {File: "app.py", Line: 1, Text: "NameError: name 'x' is not defined"}}
	for reason, want := range map[string]string{
		"exit status 1: NameError: name 'x' is not defined (app.py:1)": "exit status 1",
		"exit status 1: out of words":                                  "exit status 1: out of words",
		"not ready within 30s":                                         "not ready within 30s",
	} {
		if got := withoutProblems(reason, problems); got != want {
			t.Errorf("%q became %q, want %q", reason, got, want)
		}
	}
}
