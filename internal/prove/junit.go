package prove

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// junitSuites is the form of JUnit's XML that CI systems read.
type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr,omitempty"`
	Cases    []junitCase `xml:"testcase"`
	Output   *junitText  `xml:"system-out"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	Time    string       `xml:"time,attr"`
	Failure *junitReason `xml:"failure"`
	Error   *junitReason `xml:"error"`
}

type junitReason struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

type junitText struct {
	Text string `xml:",cdata"`
}

// WriteJUnit writes the report for a CI system: a test case for each kind of connection, one for
// the rolls and one for the runs of the command. failed is the error of Run, or nil.
func (r Report) WriteJUnit(w io.Writer, failed error) error {
	s := junitSuite{Name: "relevo prove", Time: junitSeconds(r.Duration), Cases: r.junitCases()}
	if !r.Started.IsZero() {
		s.Stamp = r.Started.UTC().Format("2006-01-02T15:04:05")
	}
	if failed != nil {
		s.Cases = append(s.Cases, junitCase{Name: "the load was made to its end", Class: r.junitClass(), Time: s.Time,
			Error: &junitReason{Message: failed.Error(), Type: "error"}})
	}
	for _, c := range s.Cases {
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	s.Tests = len(s.Cases)
	if r.Total.Sent > 0 {
		var text strings.Builder
		if err := r.WriteText(&text); err != nil {
			return err
		}
		s.Output = &junitText{text.String()}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suite: s}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r Report) junitClass() string { return "prove " + cmp.Or(r.URL, "without a URL") }

func (r Report) junitCases() []junitCase {
	var cases []junitCase
	add := func(name string, failure *junitReason) {
		cases = append(cases, junitCase{Name: name, Class: r.junitClass(), Time: junitSeconds(r.Duration), Failure: failure})
	}
	for _, row := range r.kinds() {
		add(row.name+": every request is answered", r.junitLost(row))
	}
	if r.Rolls != nil {
		add("every roll is done", junitFailed(r.Rolls.Failed, r.Rolls.Reasons))
	}
	if r.Kills != nil {
		failed := 0
		if r.noKill() {
			failed = r.Kills.Failed
		}
		add("a worker is killed", junitFailed(failed, r.Kills.Errors))
	}
	if r.During != nil {
		add("every run of the command succeeds", junitFailed(r.During.Failed, r.During.Reasons))
	}
	return cases
}

// junitLost is the failure of a row that has lost requests, if more are lost in all than may be.
func (r Report) junitLost(row row) *junitReason {
	n := row.Lost.Total()
	if n == 0 || r.Lost() <= r.MaxLost {
		return nil
	}
	var text strings.Builder
	r.writeSamples(&text)
	message := fmt.Sprintf("%s of %s lost: %s", count(n), count(row.Sent), row.Lost)
	return &junitReason{Message: message, Type: "lost", Text: text.String()}
}

func junitFailed(failed int, reasons notes) *junitReason {
	if failed == 0 {
		return nil
	}
	return &junitReason{Message: fmt.Sprintf("%d failed", failed), Type: "failed", Text: strings.Join(reasons, "\n")}
}

func junitSeconds(m Millis) string { return fmt.Sprintf("%.3f", time.Duration(m).Seconds()) }
