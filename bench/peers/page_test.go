package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageIsOfResults: the tables and the pictures of the page are those of the file of results
// beside this test.
func TestPageIsOfResults(t *testing.T) {
	const docs = "../../docs"
	page := filepath.Join(t.TempDir(), "peers.md")
	want, err := os.ReadFile(filepath.Join(docs, "peers.md"))
	if err == nil {
		err = os.WriteFile(page, want, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStore("results.json")
	if err == nil {
		err = writePage(page, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Tables) != len(tables) {
		t.Errorf("the file has %d tables, the program measures %d", len(s.Tables), len(tables))
	}
	const repair = "go run ./bench/peers -results bench/peers/results.json -page docs/peers.md"
	if got, err := os.ReadFile(page); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the tables of docs/peers.md are not those of the results, %v; write them: %s", err, repair)
	}
	made, there := pictures(t, filepath.Dir(page)), pictures(t, docs)
	for name, drawing := range made {
		if drawing != there[name] {
			t.Errorf("the picture %s is not that of the results; write it: %s", name, repair)
		}
	}
	for name := range there {
		if made[name] == "" {
			t.Errorf("no table has the picture %s; remove it", name)
		}
	}
}

// pictures reads those beside a page.
func pictures(t *testing.T, beside string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(beside, picturesBeside, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = string(text)
	}
	return all
}

func TestReplaceTable(t *testing.T) {
	const page = "before\n<!-- table: rolls -->\nold\n<!-- end of the table -->\nafter\n"
	got, err := replaceTable(page, "rolls", "new\n")
	if want := "before\n<!-- table: rolls -->\n\nnew\n\n<!-- end of the table -->\nafter\n"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, damaged := range []string{"nothing", strings.ReplaceAll(page, "<!-- end", "<!-- the end")} {
		if _, err := replaceTable(damaged, "rolls", "new\n"); err == nil {
			t.Errorf("a page without the place of its table was written: %q", damaged)
		}
	}
}
