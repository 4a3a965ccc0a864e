package launch

import (
	"path"
	"strings"

	"relevo/internal/lazyregexp"
)

// causeWidth is the length to which a cause is cut, in bytes: it has to fit into a row of
// `relevo status`.
const causeWidth = 200

// findCause finds the line that says why a program died. It returns the line's index and
// text, with the place in the source if one is near; -1 if there is no such line. A sure
// pattern wins over an unsure one, and of several lines the last one counts.
func findCause(lines []string) (at int, text string) {
	for _, find := range []func([]string) (int, string){panics, tracebacks, exceptions, fatals, troubles} {
		if at, text := find(lines); at >= 0 {
			return at, text
		}
	}
	return -1, ""
}

// last returns the index of the last line that matches, -1 if none does.
func last(lines []string, pattern *lazyregexp.Regexp) int {
	for i := len(lines) - 1; i >= 0; i-- {
		if pattern.MatchString(lines[i]) {
			return i
		}
	}
	return -1
}

var (
	goPanic   = lazyregexp.New(`^(panic|fatal error): `)
	rustPanic = lazyregexp.New(`^thread '.*'.* panicked at (\S+:\d+):\d+:$`)
	rustOld   = lazyregexp.New(`^thread '.*' panicked at '`)
)

// panics finds panics of Go and Rust.
func panics(lines []string) (int, string) {
	if i := last(lines, rustPanic); i >= 0 && i+1 < len(lines) {
		place := rustPanic.FindStringSubmatch(lines[i])[1]
		return i + 1, placed("panicked: "+lines[i+1], place)
	}
	if i := max(last(lines, goPanic), last(lines, rustOld)); i >= 0 {
		return i, lines[i]
	}
	return -1, ""
}

var (
	traceback  = lazyregexp.New(`^Traceback \(most recent call last\):`)
	pythonFile = lazyregexp.New(`^\s*File "(.+)", line (\d+)`)
	unindented = lazyregexp.New(`^\S`)
)

// tracebacks finds those of Python, whose message stands below its frames.
func tracebacks(lines []string) (int, string) {
	begin := last(lines, traceback)
	if begin < 0 {
		return -1, ""
	}
	place := ""
	for i := begin + 1; i < len(lines); i++ {
		if m := pythonFile.FindStringSubmatch(lines[i]); m != nil {
			place = m[1] + ":" + m[2]
		} else if unindented.MatchString(lines[i]) && lines[i] != gap {
			return i, placed(lines[i], place)
		}
	}
	return -1, ""
}

var (
	causedBy  = lazyregexp.New(`^Caused by: `)
	exception = lazyregexp.New(`^(Uncaught |Unhandled exception\. |Exception in thread "[^"]*" |fatal: )?` +
		`([A-Za-z_][\w.$:]*)?(Error|Exception|Interrupt|Exit)( \[\w+\])?(: |$)|` + // Node, Java, .NET, Python
		`^\S+:\d+:in [` + "`'" + `].*: .*\([\w:]+\)$|^\S+\.rb:\d+: .*(error|unexpected)|` + // Ruby
		`^(PHP )?(Fatal|Parse) error: |^\*\* \([\w.]+\) `) // PHP, Elixir
	nodePlace = lazyregexp.New(`^(?:file://)?(/[^:]+:\d+)$`)
	nodeFrame = lazyregexp.New(`^\s+at (?:.* \()?(?:file://)?(/[^:()]+:\d+):\d+\)?(?: \{)?$`)
)

// exceptions finds uncaught exceptions. Node shows the place above the message, and the
// frames below.
func exceptions(lines []string) (int, string) {
	if i := last(lines, causedBy); i >= 0 {
		return i, lines[i]
	}
	i := last(lines, exception)
	if i < 0 {
		return -1, ""
	}
	place := ""
	for j := max(0, i-6); j < i; j++ {
		if m := nodePlace.FindStringSubmatch(lines[j]); m != nil {
			place = m[1]
		} else if m := pythonFile.FindStringSubmatch(lines[j]); m != nil {
			place = m[1] + ":" + m[2]
		}
	}
	for j := i + 1; j < len(lines) && place == ""; j++ {
		if m := nodeFrame.FindStringSubmatch(lines[j]); m != nil {
			place = m[1]
		}
	}
	return i, placed(lines[i], place)
}

var (
	cppThrow = lazyregexp.New(`^terminate called after throwing an instance of '(.*)'`)
	cppWhat  = lazyregexp.New(`^\s+what\(\):\s+(.*)`)
	fatal    = lazyregexp.New(`error while loading shared libraries|Assertion .* failed|runtime error:|` +
		`(?i)address (already )?in use|EADDRINUSE|connection in use|` +
		`: not found$|: command not found$|cannot execute|permission denied|no such file or directory|out of ` +
		`memory|segmentation fault|^can't (locate|open|load)|^(\S+\s+){0,4}\[?(fatal|emerg|emergency|crit|critical|panic)\b`)
)

// fatals finds other lines that very probably say why.
func fatals(lines []string) (int, string) {
	if i := last(lines, cppThrow); i >= 0 {
		kind := cppThrow.FindStringSubmatch(lines[i])[1]
		if i+1 < len(lines) {
			if what := cppWhat.FindStringSubmatch(lines[i+1]); what != nil {
				return i, kind + ": " + what[1]
			}
		}
		return i, lines[i]
	}
	if i := last(lines, fatal); i >= 0 {
		return i, strings.TrimSpace(lines[i])
	}
	return -1, ""
}

var trouble = lazyregexp.New(`(?i)\b(errors?|failed|failure|cannot|could not|couldn't|unable to|unknown|invalid|` +
	`missing|refused|denied|aborted|exception|usage)\b|\w(Error|Exception)\b| at \S+ line \d+\.$`)

// troubles finds lines that mention an error.
func troubles(lines []string) (int, string) {
	if i := last(lines, trouble); i >= 0 {
		return i, strings.TrimSpace(lines[i])
	}
	return -1, ""
}

// placed adds a place in the source to a text that does not name it.
func placed(text, place string) string {
	text = strings.TrimSpace(text)
	if place = path.Base(place); place == "." || strings.Contains(text, place) {
		return text
	}
	return cutText(text, causeWidth-len(place)-3) + " (" + place + ")"
}
