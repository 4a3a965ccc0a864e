package monit

// style is parameters of SGR (ECMA-48); empty: the terminal's own.
type style string

func (s style) paint(text string) string {
	if s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

// theme is the styles for one kind of background.
type theme struct {
	strong, dim, good, warn, bad, accent style
	chosen                               style // the row that keys act on
	marked                               style // the chosen row of the other table
}

// themeFor uses the terminal's own 16 colors, the bright ones on a dark background. Without
// colors (NO_COLOR) bold and reverse remain.
func themeFor(dark bool) theme {
	t := theme{strong: "1", dim: "90", good: "32", warn: "33", bad: "31", accent: "34", chosen: "7", marked: "1"}
	if dark {
		t.good, t.warn, t.bad, t.accent = "92", "93", "91", "96"
	}
	return t
}
