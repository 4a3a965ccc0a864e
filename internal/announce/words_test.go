package announce

import (
	"bytes"
	"testing"
)

// A message may be large; its line in the log is not.
func TestBeginningOfMessage(t *testing.T) {
	if got := beginning([]byte(`{"a":1}`)); got != `{"a":1}` {
		t.Errorf("a short one: %q", got)
	}
	long := append(bytes.Repeat([]byte("x"), loggedData-1), "é and more"...)
	if got, want := beginning(long), string(long[:loggedData-1])+"… (1034 bytes)"; got != want {
		t.Errorf("a long one:\n got %q\nwant %q", got, want)
	}
}
