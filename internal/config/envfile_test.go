package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func envFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadEnvFile(t *testing.T) {
	path := envFile(t, strings.Join([]string{
		"# a comment", "; another", "", "   ",
		"PLAIN=value", "  INDENTED=1  ", "export EXPORTED=yes", "EMPTY=", "EQUALS=a=b",
		`SINGLE='it is $HOME \n "so"'`, `DOUBLE="a \"b\" \\ \n \$HOME"`, `QUOTES=""`,
		"INNER=it's", "HASH=a#b", "WINDOWS=line end\r", "PLAIN=again",
	}, "\n"))
	got, err := ReadEnvFile(path)
	want := []string{
		"PLAIN=value", "INDENTED=1", "EXPORTED=yes", "EMPTY=", "EQUALS=a=b",
		`SINGLE=it is $HOME \n "so"`, "DOUBLE=a \"b\" \\ \n $HOME", "QUOTES=",
		"INNER=it's", "HASH=a#b", "WINDOWS=line end", "PLAIN=again",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

func TestReadEnvFileErrors(t *testing.T) {
	for line, says := range map[string]string{
		"no assignment":                   `cannot use the line: write NAME=VALUE`,
		"=value":                          `cannot use the line: write NAME=VALUE`,
		"A B=c":                           `cannot use the line: write NAME=VALUE`,
		"A = b":                           `cannot use the line: write NAME=VALUE`,
		"export ":                         `cannot use the line: write NAME=VALUE`,
		"NUL=a\x00b":                      `write NAME=VALUE`,
		`OPEN="abc`:                       `cannot use the value of OPEN: the closing " is missing`,
		`OPEN='`:                          `the closing ' is missing`,
		`MIXED='abc"`:                     `the closing ' is missing`,
		strings.Repeat("x", 2<<20):        "it has more than 1MiB",
		"A=" + strings.Repeat("x", 2<<20): "it has more than 1MiB",
	} {
		path := envFile(t, "# first\nGOOD=1\n"+line+"\nGOOD=2\n")
		got, err := ReadEnvFile(path)
		wantError(t, err, fmt.Sprintf("%s:3: cannot ", path), says)
		if got != nil {
			t.Errorf("%.20q: got %q beside the error", line, got)
		}
	}
}

func TestReadEnvFileMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.env")
	_, err := ReadEnvFile(path)
	wantCannot(t, err, path, "no such file", "create it or correct its path")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	_, err = ReadEnvFile(t.TempDir())
	wantError(t, err, "cannot read the environment file", "is a directory")
}

// TestEnvFileEncodings: what editors of Windows save.
func TestEnvFileEncodings(t *testing.T) {
	for name, text := range map[string]string{
		"a byte order mark":           "\ufeffA=1\r\nB=2\r\n",
		"one of a file put behind":    "A=1\n\ufeffB=2",
		"before a comment":            "\ufeff# first\nA=1\nB=2",
		"without a mark, with \\r\\n": "A=1\r\n\r\nB=2\r\n",
	} {
		if got, err := ReadEnvFile(envFile(t, text)); err != nil || !slices.Equal(got, []string{"A=1", "B=2"}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, text := range map[string]string{
		"little end first": "\xff\xfeA\x00=\x001\x00", "big end first": "\xfe\xff\x00A\x00=\x001",
		"without a mark": "A\x00=\x001\x00", "nothing but a mark": "\xff\xfe",
	} {
		path := envFile(t, text)
		_, err := ReadEnvFile(path)
		wantError(t, err, path+": cannot read the environment file: it is UTF-16; save it as UTF-8")
		_, err = Load(path, "/")
		wantError(t, err, path+": cannot read the configuration: it is UTF-16; save it as UTF-8")
	}
	if _, err := ReadEnvFile(envFile(t, strings.Repeat("# comment\n", maxEnvFile/10+1))); err == nil {
		t.Error("a file without end is read")
	}
}

// TestFileWithByteOrderMark: places count as an editor shows them.
func TestFileWithByteOrderMark(t *testing.T) {
	file, err := Load(envFile(t, "\ufeffname = \"a\"\r\ncommand = [\"b\"]\r\n"), "/")
	if err != nil || file.Err() != nil || file.Name() != "a" {
		t.Errorf("%v, %v", err, file)
	}
	file, err = Load(envFile(t, "\ufeffname = 1"), "/")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Sources{Defaults: Default(), File: file, Dir: "/", NoCommand: true}.Resolve()
	wantError(t, err, ":1:8: cannot use an integer for name")
}
