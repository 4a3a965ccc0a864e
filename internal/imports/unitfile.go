package imports

import (
	"fmt"
	"strings"
)

// unitLine is an assignment of a unit file.
type unitLine struct {
	section, key, value string
}

// parseUnit reads a unit file as systemd.syntax(7) has it. Several files, one after the other, as
// systemctl cat prints them, are one.
func parseUnit(data []byte) (all []unitLine, err error) {
	section, joined, number, begun := "", "", 0, 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && strings.ContainsRune("#;", rune(trimmed[0])) {
			continue // also between continued lines
		}
		if joined == "" {
			begun = number
		}
		if rest, goesOn := strings.CutSuffix(line, `\`); goesOn {
			joined += rest + " "
			continue
		}
		text := strings.TrimSpace(joined + line)
		joined = ""
		switch key, value, isSetting := strings.Cut(text, "="); {
		case text == "":
		case text[0] == '[' && text[len(text)-1] == ']':
			section = text[1 : len(text)-1]
		case !isSetting || section == "":
			return nil, fmt.Errorf("line %d: %s is no [SECTION] and no KEY=VALUE in one", begun, brief(text))
		default:
			all = append(all, unitLine{section, strings.TrimSpace(key), strings.TrimSpace(value)})
		}
	}
	if text := strings.TrimSpace(joined); text != "" {
		return nil, fmt.Errorf("line %d: it continues after the end of the file", begun)
	}
	return all, nil
}

// unitWords splits a value at white space outside of quotes, and reads its escapes.
func unitWords(value string) (all []string, err error) {
	var word strings.Builder
	var quote byte
	begun := false
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\':
			text, length := unitEscape(value[i:])
			word.WriteString(text)
			i += length - 1
			begun = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\'') && word.Len() == 0:
			begun, quote = true, c
		case quote == 0 && (c == ' ' || c == '\t'):
			if begun {
				all = append(all, word.String())
				word.Reset()
			}
			begun = false
		default:
			begun = true
			word.WriteByte(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%s: a closing %c is missing", brief(value), quote)
	}
	if begun {
		all = append(all, word.String())
	}
	return all, nil
}

// unitEscape reads an escape of C at the begin of a text.
func unitEscape(text string) (meant string, length int) {
	if len(text) < 2 {
		return text, len(text)
	}
	simple := map[byte]string{'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v", '\\': `\`,
		'"': `"`, '\'': "'", 's': " "}
	if meant, is := simple[text[1]]; is {
		return meant, 2
	}
	var n int
	if text[1] == 'x' && len(text) >= 4 {
		if _, err := fmt.Sscanf(text[2:4], "%02x", &n); err == nil && n > 0 {
			return string([]byte{byte(n)}), 4
		}
	}
	if len(text) >= 4 {
		if _, err := fmt.Sscanf(text[1:4], "%03o", &n); err == nil && n > 0 {
			return string([]byte{byte(n)}), 4
		}
	}
	return text[:2], 2
}
