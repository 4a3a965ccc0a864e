// Package whole finds the fields of a struct that were forgotten, where there are several ways
// to make it.
package whole

import "reflect"

// Missing names the fields of the struct at a pointer that have to be set and are not. One
// that may be empty says so with the tag empty, and why.
func Missing(parts any) (names []string) {
	v := reflect.ValueOf(parts).Elem()
	for i := range v.NumField() {
		if _, may := v.Type().Field(i).Tag.Lookup("empty"); !may && v.Field(i).IsZero() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}
