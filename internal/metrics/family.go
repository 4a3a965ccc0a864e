package metrics

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is the type of a family.
type kind string

const (
	gauge     kind = "gauge"
	counter   kind = "counter"
	info      kind = "info"
	histogram kind = "histogram"
)

// suffix is what the kind adds to the name of each sample.
func (k kind) suffix() string {
	switch k {
	case counter:
		return "_total"
	case info:
		return "_info"
	}
	return ""
}

// Family is a metric with all its samples.
type Family struct {
	name  string // without the suffixes that its kind adds
	help  string
	kind  kind
	lines []byte // the samples, which are written alike in both formats
}

// Format is one of the two formats.
type Format struct {
	// ContentType is that of HTTP.
	ContentType string
	open        bool
}

// The formats.
var (
	text = Format{ContentType: "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"}
	open = Format{
		ContentType: "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores", open: true,
	}
)

// Negotiate chooses the format for an Accept header: OpenMetrics where it is named, and not
// refused, with at least the weight of plain text.
func Negotiate(accept string) Format {
	weights := map[string]float64{}
	for part := range strings.SplitSeq(accept, ",") {
		fields := strings.Split(part, ";")
		weight := 1.0
		for _, field := range fields[1:] {
			if q, found := strings.CutPrefix(strings.TrimSpace(field), "q="); found {
				weight, _ = strconv.ParseFloat(q, 64)
			}
		}
		media := strings.ToLower(strings.TrimSpace(fields[0]))
		weights[media] = max(weights[media], weight)
	}
	if w := weights["application/openmetrics-text"]; w > 0 && w >= weights["text/plain"] {
		return open
	}
	return text
}

// Write writes families in a format.
func Write(w io.Writer, f Format, families []Family) error {
	out := bufio.NewWriter(w)
	for _, family := range families {
		if len(family.lines) > 0 {
			f.write(out, family)
		}
	}
	if f.open {
		out.WriteString("# EOF\n")
	}
	return out.Flush()
}

func (f Format) write(out *bufio.Writer, family Family) {
	name, shown := family.name, family.kind
	if !f.open { // there the suffixes belong to the name, and info is unknown
		name += family.kind.suffix()
		if shown == info {
			shown = gauge
		}
	}
	out.WriteString("# HELP " + name + " " + escape(family.help, f.open) + "\n")
	out.WriteString("# TYPE " + name + " " + string(shown) + "\n")
	out.Write(family.lines)
}

// add writes a sample. Its labels are names and values in turn, behind that of the app.
func (f *Family) add(app, part string, value float64, labels []string) {
	line := append(f.lines, f.name...)
	line = append(line, f.kind.suffix()...)
	line = append(line, part...)
	line = appendLabel(append(line, '{'), "app", app)
	for l := 0; l+1 < len(labels); l += 2 {
		line = appendLabel(append(line, ','), labels[l], labels[l+1])
	}
	line = append(line, "} "...)
	line = strconv.AppendFloat(line, value, 'g', -1, 64)
	f.lines = append(line, '\n')
}

func appendLabel(line []byte, name, value string) []byte {
	line = append(append(line, name...), `="`...)
	return append(append(line, escape(value, true)...), '"')
}

// Where backslashes, line ends and quotes are escaped. A replacer is costly to make, and there
// are many labels.
var (
	inHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	inLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// escape escapes the text of a help line or, with quotes, of a label.
func escape(text string, quotes bool) string {
	if !strings.ContainsFunc(text, special) {
		return text
	}
	text = strings.ToValidUTF8(text, "�")
	if quotes {
		return inLabel.Replace(text)
	}
	return inHelp.Replace(text)
}

// special says whether a character may have to be escaped. What is no UTF-8 is read as
// utf8.RuneError.
func special(r rune) bool { return r == '\\' || r == '\n' || r == '"' || r == utf8.RuneError }
