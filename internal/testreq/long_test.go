package testreq

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestLongIn: a test takes long if it says so itself, by a helper, or in a part of it.
func TestLongIn(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a_test.go": `package a

func TestItself(t *testing.T) { testreq.TakesLong(t) }
func TestPart(t *testing.T)   { t.Run("part", func(t *testing.T) { takesLong(t) }) }
func TestMore(t *testing.T)   { n = testreq.Long() }
func TestShort(t *testing.T)  { helper(t) }
func TestHelped(t *testing.T) { box{}.boot(t) }
func helper(t *testing.T)     { helper(t) }
`,
		"b_test.go": `package a

func takesLong(t *testing.T)      { testreq.TakesLong(t) }
func (box) boot(t *testing.T)     { takesLong(t) }
func TestMain(m *testing.M)       { takesLong(nil) }
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"TestHelped", "TestItself", "TestMore", "TestPart"}
	if got, err := longIn(dir); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := longIn(t.TempDir()); err == nil {
		t.Error("without tests nothing takes long, and nothing says so")
	}
}
