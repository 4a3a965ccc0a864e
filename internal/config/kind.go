package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// kind says how values of one type are written on the command line and in the file. In the
// file, a scalar that is no string means the same as its text.
type kind[T any] struct {
	arg     string // what --help calls it
	example string // as in a file
	forms   []form // the TOML types that the file may use
	parse   func(string) (T, error)
	show    func(T) string // as parse takes it; empty: not set
	schema  schema
}

// schema is a part of a JSON schema.
type schema map[string]any

// read takes a value of the file.
func (k kind[T]) read(key string, v value) (zero T, err error) {
	if !slices.Contains(k.forms, v.form) {
		return zero, k.wrongForm(key, v.form)
	}
	if strings.ContainsRune(v.text, 0) {
		return zero, fmt.Errorf("cannot use the value of %s: it has a NUL byte", key)
	}
	return k.parse(v.text)
}

func (k kind[T]) wrongForm(key string, got form) error {
	return fmt.Errorf("cannot use %s for %s: write %s = %s", got, key, key, k.example)
}

// render returns the value as the file has it, empty if it is not set.
func (k kind[T]) render(v T) string {
	text := k.show(v)
	if text == "" {
		return ""
	}
	return renderText(text, k.forms)
}

// renderText leaves out the quotes if the value is the same without them.
func renderText(text string, forms []form) string {
	for _, f := range forms {
		if f.holds(text) {
			return text
		}
	}
	return Quote(text)
}

// holds says whether text, without quotes, is a value of this form.
func (f form) holds(text string) bool {
	switch f {
	case formInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == text
	case formFloat:
		n, err := strconv.ParseFloat(text, 64)
		return err == nil && strings.Contains(text, ".") && strconv.FormatFloat(n, 'f', -1, 64) == text
	case formBool:
		return text == "true" || text == "false"
	}
	return false
}

// written is a kind whose values are strings in the file.
func written[T any](arg, example string, parse func(string) (T, error), show func(T) string) kind[T] {
	return kind[T]{arg: arg, example: Quote(example), forms: []form{formString}, parse: parse, show: show,
		schema: schema{"type": "string"}}
}

// choice is one of a few words.
func choice[T ~string](arg string, parse func(string) (T, error), all ...T) kind[T] {
	k := written(arg, string(all[0]), parse, func(v T) string { return string(v) })
	k.schema = schema{"enum": all}
	return k
}

// oneOf reads one of a few words.
func oneOf[T ~string](what string, all ...T) func(string) (T, error) {
	return func(text string) (T, error) {
		if slices.Contains(all, T(text)) {
			return T(text), nil
		}
		var words []string
		for _, v := range all {
			words = append(words, string(v))
		}
		last := len(words) - 1
		return "", fmt.Errorf("cannot use %q for %s: %s and %s exist", text, what, strings.Join(words[:last], ", "),
			words[last])
	}
}

// plain is any text that is not empty.
func plain(arg, example string) kind[string] {
	return written(arg, example, func(text string) (string, error) {
		if text == "" {
			return "", errors.New("cannot use an empty text: write one, or leave the setting out")
		}
		if strings.ContainsRune(text, 0) {
			return "", errors.New("cannot use a text with a NUL byte")
		}
		return text, nil
	}, func(text string) string { return text })
}

// number is an integer. The bounds are for the schema; high counts only if it is above low.
// Validate checks the value.
func number(example, low, high int) kind[int] {
	k := kind[int]{arg: "N", example: strconv.Itoa(example), forms: []form{formInteger}, parse: parseInt,
		show: strconv.Itoa, schema: schema{"type": "integer", "minimum": low}}
	if high > low {
		k.schema["maximum"] = high
	}
	return k
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("cannot use %q as a number: write a whole one", text)
	}
	return n, nil
}

// optional is a kind that may be unset.
func optional[T any](k kind[T]) kind[*T] {
	return kind[*T]{
		arg: k.arg, example: k.example, forms: k.forms, schema: k.schema,
		parse: func(text string) (*T, error) {
			v, err := k.parse(text)
			return &v, err
		},
		show: func(v *T) string {
			if v == nil {
				return ""
			}
			return k.show(*v)
		},
	}
}

// also makes a kind accept further forms in the file.
func (k kind[T]) also(types any, forms ...form) kind[T] {
	k.forms = slices.Concat(k.forms, forms)
	k.schema = schema{"type": types}
	return k
}

func textOrNumber[T any](k kind[T]) kind[T] {
	return k.also([]string{"string", "integer"}, formInteger)
}
