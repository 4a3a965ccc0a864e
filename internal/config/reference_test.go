package config

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const referencePath = "../../docs/relevo.reference.toml"

func reference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// uncommented has every setting in force.
func uncommented(text string) string {
	return regexp.MustCompile(`(?m)^#([a-z\[A-Z])`).ReplaceAllString(text, "$1")
}

// TestReferenceIsDefaults: as it is, the reference file changes nothing.
func TestReferenceIsDefaults(t *testing.T) {
	text := reference(t)
	if !strings.HasPrefix(text, "#:schema ./relevo.schema.json\n") {
		t.Error("editors do not find the schema")
	}
	app, err := resolveText(text)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Dir = "/home"
	if changes := Diff(want, app); changes != nil {
		t.Errorf("it changes %v", changes)
	}
}

// TestReferenceHasAll: with its settings uncommented it is valid, no setting is
// missing, defaults are what they are, and it says when a change applies.
func TestReferenceHasAll(t *testing.T) {
	file := parse(referencePath, "/srv", []byte(uncommented(reference(t))))
	app, err := Sources{Defaults: Default(), File: file, Dir: "/home"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	r := file.apply(&App{})
	for _, s := range Settings() {
		_, here := r.places[s.Key]
		if s.members != nil {
			here = len(s.members(&app)) > 0
		}
		if !here {
			t.Errorf("%s is missing", s.Key)
		}
		if got := s.render(&app); s.Default != "" && s.Key != "workers" && got != s.Default {
			t.Errorf("%s is %s, its default %s", s.Key, got, s.Default)
		}
		table, name := s.place()
		text := reference(t)
		if table == "health" { // has keys that stand elsewhere, too
			text = text[strings.Index(text, "#[health]"):]
		}
		if _, after, _ := strings.Cut(text, "\n#"+name+" = "); s.members == nil && s.Default != "" &&
			!strings.HasPrefix(after, s.Default+"\n") {
			t.Errorf("%s does not show its default %s", s.Key, s.Default)
		}
		applies := regexp.MustCompile(`(?s)\((live|roll|restart)\)\n((#[a-z\[][^\n]*\n)*)#\[?(limits\.|\[dev\.|health\.)?` +
			name + `\b`).FindStringSubmatch(text)
		if applies == nil || applies[1] != string(s.Applies) {
			t.Errorf("%s applies %s; the file says %.9q", s.Key, s.Applies, applies)
		}
	}
	for _, key := range listenerKeys() {
		if !slices.ContainsFunc(file.entries, func(e entry) bool { return e.key() == "listener."+key }) {
			t.Errorf("listener.%s is missing", key)
		}
	}
}

// TestSchemaIsCurrent: relevo check --schema > docs/relevo.schema.json
func TestSchemaIsCurrent(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/relevo.schema.json")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("relevo.schema.json is not what the table of settings makes of it: relevo check --schema > "+
			"docs/relevo.schema.json (%v)", err)
	}
}

// TestTable: the table does not contradict itself.
func TestTable(t *testing.T) {
	var keys, flags []string
	for _, s := range Settings() {
		keys = append(keys, s.Key)
		if s.Flag != "" {
			flags = append(flags, s.Flag)
		}
		if s.Help == "" || s.schema == nil || !slices.Contains([]Applies{Live, Roll, Restart}, s.Applies) {
			t.Errorf("%s is not complete: %+v", s.Key, s)
		}
		if s.Flag == "" && !slices.Contains([]string{"command", "dev.package", "dev.rules"}, s.Key) {
			t.Errorf("%s has no flag", s.Key)
		}
		if s.Default != "" && s.Check(strings.Trim(s.Default, `"`)) != nil {
			t.Errorf("%s does not take its own default %s", s.Key, s.Default)
		}
	}
	for _, names := range [][]string{keys, flags} {
		slices.Sort(names)
		if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
			t.Errorf("a name stands twice in %v", names)
		}
	}
}
