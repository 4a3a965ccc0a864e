package dev

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"relevo/internal/control"
	"relevo/pool"
)

// warningKind is the kind of the loop's warning in `relevo status`.
const warningKind = "dev"

// shownProblems is how many problems the terminal shows unasked.
const shownProblems = 10

// fail reports a failure. The workers that serve stay.
func (d *Dev) fail(f Failure) {
	d.failure = &f
	d.now.names = nil
	d.say(Bad, f.text(d.short)+d.whatServes())
	d.master.Warn(warningKind, f.warning(d.short))
	if d.opts.Browser != nil {
		d.opts.Browser.Fail(f)
	}
}

func (d *Dev) whatServes() string {
	if d.start.serves {
		return "\n  the workers keep serving; the next save tries again"
	}
	return "\n  nothing serves yet; clients wait, and the next save tries again"
}

// mended removes the report of a failure.
func (d *Dev) mended() {
	d.master.Warn(warningKind, "")
	if d.failure != nil && d.opts.Browser != nil {
		d.opts.Browser.Clear()
	}
	d.failure = nil
}

// text is the form for the terminal.
func (f Failure) text(short func(string) string) string {
	var b strings.Builder
	b.WriteString(f.Title)
	if f.Output != "" {
		for line := range strings.Lines(firstLines(f.Output, maxShownLines)) {
			b.WriteString("\n    " + strings.TrimRight(line, "\r\n"))
		}
		return b.String()
	}
	for i, p := range f.Problems {
		if strings.Contains(f.Title, p.Text) {
			continue // it is the title already
		}
		if i == shownProblems {
			fmt.Fprintf(&b, "\n    and %d more", len(f.Problems)-i)
			break
		}
		p.File = short(p.File)
		b.WriteString("\n    " + p.String())
	}
	return b.String()
}

// maxShownLines bounds how much of a build's output the terminal shows.
const maxShownLines = 40

func firstLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) <= n {
		return strings.Join(lines, "\n")
	}
	// The first errors come first; later ones often follow from them.
	return strings.Join(lines[:n], "\n") + fmt.Sprintf("\n… %d more lines", len(lines)-n)
}

// warning is the form for `relevo status`: one line.
func (f Failure) warning(short func(string) string) string {
	if len(f.Problems) == 0 || strings.Contains(f.Title, f.Problems[0].Text) {
		return f.Title
	}
	p := f.Problems[0]
	p.File = short(p.File)
	text := f.Title + ": " + p.String()
	if more := len(f.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

func (d *Dev) buildFailure(s step, result outcome) Failure {
	title := s.name + " failed"
	var exit *exec.ExitError
	if !errors.As(result.err, &exit) {
		title = fmt.Sprintf("%s failed: %v", s.name, result.err)
	} else if len(strings.TrimSpace(result.output)) == 0 {
		title = fmt.Sprintf("%s failed: %v, without a word", s.name, result.err)
	}
	if s.name == "go build" {
		result.output = withoutPackageLines(result.output)
	}
	return Failure{Title: title, Problems: findProblems(result.output, s.job.dir),
		Output: strings.TrimRight(withoutEscapes(result.output), "\n")}
}

// withoutPackageLines removes the headings that the go command prints for each package.
func withoutPackageLines(output string) string {
	var b strings.Builder
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "# ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// rollFailure says why new workers could not replace the old ones.
func (d *Dev) rollFailure(r pool.RollResult, err error) Failure {
	if err != nil {
		text := err.Error()
		if refusal := (*control.Refusal)(nil); errors.As(err, &refusal) { // what stays is on the page already
			text = refusal.Err.Error()
		}
		return Failure{Title: text, Problems: findProblems(text, d.opts.Dir)}
	}
	output := strings.Join(r.Tail, "\n")
	problems := findProblems(output, d.opts.Dir)
	reason := withoutProblems(r.Reason, problems)
	title := "the new worker did not start: " + reason
	if r.Automatic {
		title = "the new workers crash: " + reason
	}
	if r.Hint != "" {
		title += " (" + r.Hint + ")"
	}
	return Failure{Title: title, Problems: problems, Output: output}
}

// withoutProblems removes from a reason the texts that problems repeat with their place in a file.
func withoutProblems(reason string, problems []Problem) string {
	for _, p := range problems {
		if before, _, found := strings.Cut(reason, ": "+p.Text); found && p.Text != "" {
			return before
		}
	}
	return reason
}

// startFailure says why the first workers did not start.
func (d *Dev) startFailure(err error) Failure {
	var failed *pool.StartError
	if !errors.As(err, &failed) {
		return Failure{Title: err.Error()}
	}
	return d.rollFailure(pool.RollResult{Reason: failed.Reason, Hint: failed.Hint, Tail: failed.Tail}, nil)
}
