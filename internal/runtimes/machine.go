package runtimes

// Machine shows Resolve files and installed programs.
type Machine interface {
	// ReadFile reads a file. It refuses one that is too large for a manifest or a script.
	ReadFile(path string) ([]byte, error)
	IsFile(path string) bool
	IsDir(path string) bool
	// Executable says whether a file has the right to be executed.
	Executable(path string) bool
	// FirstLine returns the first line of a file without its #!; empty: the file begins with something else.
	FirstLine(path string) string
	// Find returns the path of a program in PATH; empty: it is not installed.
	Find(program string) string
	// NodeVersion is the version of the installed Node, "v22.18.0"; empty: there is none.
	NodeVersion() string
}

// Command is what is run instead of a script, a package or a package manager.
type Command struct {
	Args []string
	Env  []string // NAME=VALUE, of the package manager; the app's own variables win over them
	Set  []string // NAME=VALUE, set by the package's script; they win over the app's own variables
	Path []string // directories to put at the beginning of PATH
	Dir  string   // working directory; empty: the one that was given
	Name string   // of the app; empty: use AppName
	// Notes are for the person who starts the app, a line each.
	Notes []string
}

// literal keeps the braces of a package's text from being taken for placeholders:
// {:fd} stands for {fd}.
func literal(text string) string {
	for _, name := range placeholders {
		text = escapeBrace(text, name)
	}
	return text
}

// placeholders are the names that stand in braces in a command, and that relevo replaces.
var placeholders = [...]string{"fd", "addr", "slot", "out"}
