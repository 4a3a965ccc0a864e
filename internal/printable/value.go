package printable

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Clean makes a Line of every string in the value that a pointer leads to, and a Text of
// those whose field is tagged `printable:"lines"`.
func Clean(pointer any) { clean(reflect.ValueOf(pointer), Line) }

// IsClean says whether Clean would change nothing in what this JSON means: it has no escapes, and
// nothing but printable ASCII.
func IsClean(json []byte) bool {
	text := string(json)
	return isPlain(text, "\n") && !strings.Contains(text, `\`)
}

func clean(v reflect.Value, one func(string) string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(one(v.String()))
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			clean(v.Elem(), one)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // JSON is for programs; see JSON
		}
		for i := range v.Len() {
			clean(v.Index(i), one)
		}
	case reflect.Map:
		cleanMap(v, one)
	case reflect.Struct:
		for i := range v.NumField() {
			field := one
			if v.Type().Field(i).Tag.Get("printable") == "lines" {
				field = Text
			}
			clean(v.Field(i), field)
		}
	}
}

// cleanMap cleans the values, and the keys that are strings.
func cleanMap(v reflect.Value, one func(string) string) {
	for _, key := range v.MapKeys() {
		newKey, newValue := reflect.New(key.Type()).Elem(), reflect.New(v.Type().Elem()).Elem()
		newKey.Set(key)
		newValue.Set(v.MapIndex(key))
		clean(newKey, one)
		clean(newValue, one)
		v.SetMapIndex(key, reflect.Value{})
		v.SetMapIndex(newKey, newValue)
	}
}

// JSON writes valid JSON so that a terminal only shows it. It means the same: what is
// not printable can stand in strings alone, where it is escaped, and between values.
func JSON(text []byte) []byte {
	if isPlain(string(text), "\n") {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\n':
			out = append(out, '\n')
		case r < ' ':
			out = append(out, ' ')
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...)
		case Unsafe(r) && r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		case Unsafe(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}
