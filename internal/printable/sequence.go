package printable

import "strings"

// sequence is the length of the escape sequence at the beginning of a text (ECMA-48),
// 0 if there is none. One that has no end is its first characters alone, so that it
// does not take away what follows.
func sequence(text string) int {
	kind, begin := introducer(text)
	switch {
	case kind == 0:
		return 0
	case kind == '[':
		return begin + control(text[begin:])
	case strings.IndexByte("]PX^_", kind) >= 0:
		return begin + str(text[begin:])
	}
	return begin
}

// introducer tells the kind of a sequence by the second character of its 7-bit form,
// and the length of what introduces it. C1 stands as a byte of its own, too.
func introducer(text string) (kind byte, length int) {
	switch {
	case len(text) >= 2 && text[0] == 0x1b:
		kind, length = text[1], 2
	case text[0] == 0x1b:
		return ' ', 1
	case text[0] >= 0x80 && text[0] <= 0x9f:
		kind, length = text[0]-0x40, 1
	case len(text) >= 2 && text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f:
		kind, length = text[1]-0x40, 2
	default:
		return 0, 0
	}
	if text[0] == 0x1b && (kind < ' ' || kind > '~') {
		return ' ', 1 // what follows stands for itself
	}
	if kind >= ' ' && kind <= '/' && text[0] == 0x1b { // ESC ( B
		for length < len(text) && text[length] >= ' ' && text[length] <= '/' {
			length++
		}
		return ' ', min(length+1, len(text))
	}
	return kind, length
}

// control is the length of what follows CSI: parameters and one final character.
func control(text string) int {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '@' && c <= '~':
			return i + 1
		case c < ' ' || c > '?':
			return 0
		}
	}
	return 0
}

// str is the length of what follows OSC, DCS, SOS, PM and APC: to BEL or ST.
func str(text string) (length int) {
	for _, terminator := range []string{"\a", "\x1b\\", "\u009c"} {
		i := strings.Index(text, terminator)
		if end := i + len(terminator); i >= 0 && (length == 0 || end < length) {
			length = end
		}
	}
	return length
}

// isColor says whether a sequence is SGR in its 7-bit form, with numbers alone.
func isColor(s string) bool {
	body, ok := strings.CutPrefix(s, "\x1b[")
	if !ok || !strings.HasSuffix(body, "m") {
		return false
	}
	return strings.Trim(body[:len(body)-1], "0123456789;:") == ""
}
