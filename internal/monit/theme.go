package monit

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// theme is the styles for one kind of background.
type theme struct {
	strong, dim, good, warn, bad, accent lipgloss.Style
	chosen                               lipgloss.Style // the row that keys act on
	marked                               lipgloss.Style // the chosen row of the other table
}

// themeFor uses the terminal's own 16 colors, the bright ones on a dark background. Without
// colors (NO_COLOR) bold and reverse remain.
func themeFor(dark bool) theme {
	plain := lipgloss.NewStyle()
	in := func(light, bright color.Color) lipgloss.Style {
		return plain.Foreground(lipgloss.LightDark(dark)(light, bright))
	}
	return theme{
		strong: plain.Bold(true), chosen: plain.Reverse(true), marked: plain.Bold(true),
		dim:    plain.Foreground(lipgloss.BrightBlack),
		good:   in(lipgloss.Green, lipgloss.BrightGreen),
		warn:   in(lipgloss.Yellow, lipgloss.BrightYellow),
		bad:    in(lipgloss.Red, lipgloss.BrightRed),
		accent: in(lipgloss.Blue, lipgloss.BrightCyan),
	}
}
