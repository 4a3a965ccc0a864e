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
		strings.Repeat("x", 2<<20):        "token too long",
		"A=" + strings.Repeat("x", 2<<20): "token too long",
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
