package apps

import (
	"strings"
	"testing"
)

// TestCircles: only the apps of a circle get an error, all of one circle the same.
func TestCircles(t *testing.T) {
	for _, c := range []struct{ apps, want string }{
		{"a b:a c:a,b", ""},
		{"a:gone", ""},
		{"a:a", "a=a, a"},
		{"a:b b:a c", "a=a, b, a b=a, b, a"},
		{"c:a a:b b:a d:c e", "a=a, b, a b=a, b, a"},
		{"x:y y:z z:y,x", "x=x, y, z, x y=x, y, z, x z=x, y, z, x"},
		{"a:b b:a c:d d:c", "a=a, b, a b=a, b, a c=c, d, c d=c, d, c"},
		{"a:b,c b:a c:a", "a=a, b, a b=a, b, a c=c, a, c"},
	} {
		var all []Wanted
		for word := range strings.FieldsSeq(c.apps) {
			name, after, _ := strings.Cut(word, ":")
			w := Wanted{Definition: Definition{Name: name, Config: "/srv/relevo.toml"}}
			if after != "" {
				w.After = strings.Split(after, ",")
			}
			all = append(all, w)
		}
		var got []string
		for _, w := range refuseCircles(all) {
			if w.Err == nil {
				continue
			}
			said, rest, _ := strings.Cut(strings.TrimPrefix(w.Err.Error(), "cannot start "), ": each waits for the next; ")
			if !strings.HasPrefix(rest, "take an after away in /srv/relevo.toml, then type relevo start ") {
				t.Errorf("%s: %v", c.apps, w.Err)
			}
			got = append(got, w.Name+"="+said)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s, want %s", c.apps, text, c.want)
		}
	}
}
