package config

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/configuration.md")

const configurationPath = "../../docs/configuration.md"

// begins and ends stand around each generated table of docs/configuration.md.
const (
	begins = "<!-- table of %s: go test ./internal/config -run TestConfigurationPage -update -->\n"
	ends   = "<!-- end of the table -->\n"
)

// TestConfigurationPage: the tables of docs/configuration.md are what the table of
// settings makes of them. -update rewrites them.
func TestConfigurationPage(t *testing.T) {
	got, err := os.ReadFile(configurationPath)
	if err != nil {
		t.Fatal(err)
	}
	want := string(got)
	for _, table := range settingTables() {
		name := table
		if name == "" {
			name = "the app"
		}
		before, rest, found := strings.Cut(want, fmt.Sprintf(begins, name))
		_, after, closed := strings.Cut(rest, ends)
		if !found || !closed {
			t.Fatalf("%s has no place for the table of %s: %q and %q", configurationPath, name, fmt.Sprintf(begins, name), ends)
		}
		want = before + fmt.Sprintf(begins, name) + settingRows(table) + ends + after
	}
	switch {
	case string(got) == want:
	case *update:
		if err := os.WriteFile(configurationPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what the table of settings makes of it: go test ./internal/config -run "+
			"TestConfigurationPage -update", configurationPath)
	}
}

// settingTables returns the tables of relevo.toml that have settings, the top first.
func settingTables() (all []string) {
	for _, s := range Settings() {
		if table, _ := s.place(); !slices.Contains(all, table) {
			all = append(all, table)
		}
	}
	return all
}

// settingRows is the Markdown table of the settings of one table of relevo.toml.
func settingRows(table string) string {
	var text strings.Builder
	text.WriteString("\n| setting | flag | default | changes apply | meaning |\n|---|---|---|---|---|\n")
	for _, s := range Settings() {
		at, name := s.place()
		if at != table {
			continue
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n",
			code(name), flagText(s), code(s.Default), s.Applies, strings.ReplaceAll(s.Help, "|", `\|`))
	}
	text.WriteString("\n")
	return text.String()
}

func flagText(s Setting) string {
	if s.Flag == "" {
		return ""
	}
	text := "--" + s.Flag
	if s.Short != "" {
		text = "-" + s.Short + ", " + text
	}
	if s.Arg != "bool" {
		text += " " + s.Arg
	}
	return code(text)
}

// code is text in the type of code, as a cell of a table has it.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}
