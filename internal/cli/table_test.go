package cli

import (
	"strings"
	"testing"
)

// TestTableWidth: on a narrow terminal the columns with the lowest weight are dropped first;
// columns without a weight stay.
func TestTableWidth(t *testing.T) {
	columns := []column{
		{head: "NAME", cells: []string{"web", "höhle"}},
		{head: "PID", weight: 1, right: true, cells: []string{"1", "23456"}},
		{head: "STATE", cells: []string{"running", "stopped"},
			paint: func(_ int, text string) string { return "<" + text + ">" }},
		{head: "ADDRESS", weight: 2, cells: []string{":80", ""}},
	}
	for width, want := range map[int]string{
		0:  "NAME     PID  STATE    ADDRESS\nweb        1  <running>  :80\nhöhle  23456  <stopped>\n",
		30: "NAME     PID  STATE    ADDRESS\nweb        1  <running>  :80\nhöhle  23456  <stopped>\n",
		29: "NAME   STATE    ADDRESS\nweb    <running>  :80\nhöhle  <stopped>\n",
		22: "NAME   STATE\nweb    <running>\nhöhle  <stopped>\n",
		5:  "NAME   STATE\nweb    <running>\nhöhle  <stopped>\n",
	} {
		var out strings.Builder
		if err := printTable(&out, columns, width); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("width %d:\n%s\nwant:\n%s", width, out.String(), want)
		}
	}
}
