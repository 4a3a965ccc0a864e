package imports

import (
	"maps"
	"slices"
)

// shape is what the value of a foreign key has to be.
type shape struct {
	name string // as a message has it
	fits func(v any) bool
}

func aText() shape { return shape{"a text", is[string]} }

func aSwitch() shape { return shape{"true or false", is[bool]} }

func aNumber() shape { return shape{"a whole number", is[int64]} }

func aTable() shape { return shape{"a table", is[map[string]any]} }

func someTables() shape { return shape{"a list of tables", is[[]any]} }

// simple is a text, a number, true or false.
func simple() shape {
	return shape{"a text or a number", func(v any) bool { _, ok := scalar(v); return ok }}
}

// texts is a line of words, or a list of simple values.
func texts() shape {
	return shape{"a text or a list of texts", func(v any) bool {
		items, isList := v.([]any)
		return is[string](v) || isList && !slices.ContainsFunc(items, func(item any) bool {
			_, ok := scalar(item)
			return !ok
		})
	}}
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// fitting returns the keys without those whose values have the wrong shape, which it remarks. before
// stands before their names; defaults are used instead of some of them.
func (a *App) fitting(before string, keys map[string]any, shapes map[string]shape,
	defaults map[string]string) map[string]any {
	fitting := maps.Clone(keys)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		wanted, known := shapes[key]
		if !known || wanted.fits(keys[key]) {
			continue
		}
		delete(fitting, key)
		instead := ""
		if text := defaults[key]; text != "" {
			instead = "; the default is used, " + text
		}
		a.remark("%s%s (%s): left out: it should be %s%s", before, key, brief(keys[key]), wanted.name, instead)
	}
	return fitting
}
