package printable_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"relevo/internal/printable"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"plain":                           "plain",
		"käse 日本 🙂‍↔️":                    "käse 日本 🙂‍↔️",
		"\x1b]0;owned\aafter":             "after",
		"\x1b]52;c;cm0=\x1b\\after":       "after",
		"\x1b]8;;http://x\u009cafter":     "after",
		"\x1b]0;no end, all is shown":     "0;no end, all is shown",
		"\x1bPq#0\x1b\\after":             "after",
		"\x1b[2J\x1b[1;31mred\x1b[0m":     "red",
		"\x1b[?25l\x1b[>0;1 qhidden":      "hidden",
		"\u009b31mC1\u009d0;t\aafter":     "C1after",
		"\x9b31mraw C1\x85.":              "raw C1.",
		"\x1b(B\x1b=charset":              "charset",
		"\x1bcreset":                      "reset",
		"\x1b":                            "",
		"\x1b[":                           "",
		"\x1b\nnext":                      "next",
		"\x00\a\b\x7fbell":                "bell",
		"abc\u202edcba\u2066\u200f\ufeff": "abcdcba",
		"\U000e0041tag":                   "tag",
		"\xff\xfe":                        "·",
		"one\n9  99  faked row":           "one ⏎ 9  99  faked row",
		"\r\none\r\ntwo\n":                "one ⏎ two",
		"a\rb\tc":                         "ab c",
		"a\u2028b":                        "ab",
	} {
		if got := printable.Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"cannot start\n\tlast output:\n":      "cannot start\n\tlast output:\n",
		"a\x1b[2J\r\nb\x1b[31m\nc":            "a\nb\nc",
		"over\rwritten \x1b]0;t\x1b\\\u202e!": "overwritten !",
	} {
		if got := printable.Text(text); got != want {
			t.Errorf("Text(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestColored(t *testing.T) {
	for line, want := range map[string]string{
		"\x1b[1;31mred\x1b[0m plain":      "\x1b[1;31mred\x1b[0m plain",
		"\x1b[38;5;9mleft on":             "\x1b[38;5;9mleft on\x1b[0m",
		"\x1b[38:2::1:2:3mok\x1b[m":       "\x1b[38:2::1:2:3mok\x1b[m",
		"\x1b[2K\x1b[1Amoved\x1b]0;t\a":   "moved",
		"\x1b[>4;2mkeyboard\x1b[?1m mode": "keyboard mode",
		"10%\r 50%\r100%":                 "100%",
		"windows\r":                       "windows",
		"tab\tbed":                        "tab\tbed",
		"\u009b31mC1":                     "C1",
	} {
		if got := printable.Colored(line); got != want {
			t.Errorf("Colored(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"plain"}` + "\n":                  `{"a":"plain"}` + "\n",
		"{\r\"a\":\t1}":                         `{ "a": 1}`,
		"\"\u009b2J\x7f\u202e\xff\U000e0041é\"": `"\u009b2J\u007f\u202e\ufffd\udb40\udc41é"`,
	} {
		if got := string(printable.JSON([]byte(text))); got != want {
			t.Errorf("JSON(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	type inner struct {
		Text  string
		Lines string `printable:"lines"`
		Tail  []string
		own   string
	}
	type outer struct {
		inner
		Pointer *inner
		Any     any
		Map     map[string]string
		Data    json.RawMessage
		Number  int
	}
	bad := "a\x1b[2J\nb"
	v := outer{
		inner:   inner{Text: bad, Lines: bad, Tail: []string{bad}, own: bad},
		Pointer: &inner{Text: bad}, Any: &inner{Text: bad}, Map: map[string]string{bad: bad}, Data: json.RawMessage(`"a"`),
		Number: 1,
	}
	printable.Clean(&v)
	want := outer{
		inner:   inner{Text: "a ⏎ b", Lines: "a\nb", Tail: []string{"a ⏎ b"}, own: bad},
		Pointer: &inner{Text: "a ⏎ b"}, Any: &inner{Text: "a ⏎ b"}, Map: map[string]string{"a ⏎ b": "a ⏎ b"},
		Data: json.RawMessage(`"a"`), Number: 1,
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("cleaned:\n got %+v\nwant %+v", v, want)
	}
}

// FuzzPrintable: whatever comes in, nothing that a terminal acts on comes out.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;owned\a\x1b[2J\u009b1m\x9b31m\u202e\xff\r\n")
	f.Add("\x1b\x1b[\x1b[31m[31m")
	f.Fuzz(func(t *testing.T, text string) {
		for name, got := range map[string]string{
			"Line": printable.Line(text), "Text": strings.NewReplacer("\n", "", "\t", "").Replace(printable.Text(text)),
		} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, printable.Unsafe) {
				t.Errorf("%s(%q) = %q", name, text, got)
			}
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		safe := printable.JSON(quoted)
		var before, after string
		if json.Unmarshal(quoted, &before) != nil || json.Unmarshal(safe, &after) != nil || before != after ||
			strings.ContainsFunc(string(safe), printable.Unsafe) {
			t.Errorf("JSON(%q) = %q", quoted, safe)
		}
	})
}

// TestIsClean: only of text that Clean would leave as it is.
func TestIsClean(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":"plain","b":[1,null]}` + "\n": true,
		`{"a":"\u001b[2J"}`:                 false,
		`{"a":"one\ntwo"}`:                  false,
		"{\"a\":\"\u202e\"}":                false,
		"{\"a\":\"\xff\"}":                  false,
		"{\"a\":\"\x7f\"}":                  false,
	} {
		if printable.IsClean([]byte(text)) != want {
			t.Errorf("IsClean(%q) is not %v", text, want)
		}
	}
}
