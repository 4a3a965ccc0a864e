package config

import (
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// TestQuote: a TOML parser reads a quoted text as it was.
func TestQuote(t *testing.T) {
	t.Parallel()
	text := "a \"b\" \\ c\n\td\x00\x7f\u0085 é"
	var got struct{ V string }
	if err := toml.Unmarshal([]byte("V = "+Quote(text)), &got); err != nil || got.V != text {
		t.Errorf("%s is read as %q (%v)", Quote(text), got.V, err)
	}
}
