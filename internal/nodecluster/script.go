package nodecluster

import (
	"io"
	"os"

	"relevo/internal/lazyregexp"
)

// Script is what a program's own text tells of its use of Node's cluster. What the
// modules do that it loads is not known.
type Script struct {
	Uses    bool // it loads the module, so that it may do something at its disconnection
	Primary bool // it does something where it is the primary, which it is not under another one
}

var (
	module = lazyregexp.New(`['"](node:)?cluster['"]`)
	branch = lazyregexp.New(`\bis(Master|Primary)\b`)
)

// maxScript bounds how much of a script is read, in bytes.
const maxScript = 256 << 10

// ReadScript looks at a script. One that cannot be read tells nothing.
func ReadScript(path string) (s Script) {
	file, err := os.Open(path)
	if err != nil {
		return s
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return s
	}
	text, err := io.ReadAll(io.LimitReader(file, maxScript))
	if err != nil {
		return s
	}
	s.Uses = module.Match(text)
	s.Primary = s.Uses && branch.Match(text)
	return s
}
