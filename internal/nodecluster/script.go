package nodecluster

import (
	"io"
	"os"

	"relevo/internal/lazyregexp"
)

// Script says how a program's own text uses Node's cluster. The modules that it loads are not
// read.
type Script struct {
	Uses    bool // it loads the module, so it may react to its own disconnection
	Primary bool // it has a branch for the primary, which does not run under relevo
}

var (
	module = lazyregexp.New(`['"](node:)?cluster['"]`)
	branch = lazyregexp.New(`\bis(Master|Primary)\b`)
)

// maxScript is how much of a script is read, in bytes.
const maxScript = 256 << 10

// ReadScript reads a script. A script that cannot be read uses nothing.
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
