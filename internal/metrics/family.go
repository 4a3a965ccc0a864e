package metrics

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// kind is the type of a family.
type kind string

const (
	gauge     kind = "gauge"
	counter   kind = "counter"
	info      kind = "info"
	histogram kind = "histogram"
)

// Family is a metric with all its samples.
type Family struct {
	name    string // without the suffixes that its kind adds
	help    string
	kind    kind
	samples []sample
}

type sample struct {
	suffix string
	labels []label
	value  float64
}

type label struct{ name, value string }

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
		if len(family.samples) > 0 {
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
		switch family.kind {
		case counter:
			name += "_total"
		case info:
			name, shown = name+"_info", gauge
		}
	}
	out.WriteString("# HELP " + name + " " + escape(family.help, f.open) + "\n")
	out.WriteString("# TYPE " + name + " " + string(shown) + "\n")
	name = family.name + map[kind]string{counter: "_total", info: "_info"}[family.kind]
	for _, s := range family.samples {
		s.write(out, name)
	}
}

func (s sample) write(out *bufio.Writer, name string) {
	out.WriteString(name)
	out.WriteString(s.suffix)
	before := byte('{')
	for _, l := range s.labels {
		out.WriteByte(before)
		out.WriteString(l.name)
		out.WriteString(`="`)
		out.WriteString(escape(l.value, true))
		out.WriteByte('"')
		before = ','
	}
	if len(s.labels) > 0 {
		out.WriteByte('}')
	}
	out.WriteByte(' ')
	out.Write(strconv.AppendFloat(out.AvailableBuffer(), s.value, 'g', -1, 64))
	out.WriteByte('\n')
}

// Where backslashes, line ends and quotes are escaped. A replacer is costly to make, and there
// are many labels.
var (
	inHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	inLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// escape escapes the text of a help line or, with quotes, of a label.
func escape(text string, quotes bool) string {
	text = strings.ToValidUTF8(text, "�")
	if quotes {
		return inLabel.Replace(text)
	}
	return inHelp.Replace(text)
}
