package lines

import (
	"bytes"
	"testing"
)

func TestWrite(t *testing.T) {
	for _, how := range []string{InBlocks, Singly} {
		var out bytes.Buffer
		if err := write(&out, 1000, how); err != nil {
			t.Fatal(err)
		}
		if out.Len() != 1000*Bytes {
			t.Errorf("%s: %d bytes, want %d", how, out.Len(), 1000*Bytes)
		}
		for i := range 1000 {
			if n := Number(out.Next(Bytes)); n != i {
				t.Fatalf("%s: line %d has the number %d", how, i, n)
			}
		}
	}
	if n := Number([]byte("2026-11-27T08:00:00Z out 000000042xxxxxxxxxxxxxxxxxxxxxxxx")); n != 42 {
		t.Errorf("a line with a time has the number %d", n)
	}
	for _, other := range []string{"", "ready\n", "12345678x of something else\n"} {
		if n := Number([]byte(other)); n != -1 {
			t.Errorf("%q has the number %d", other, n)
		}
	}
}
