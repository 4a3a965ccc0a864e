package runtimes

// Machine is what Resolve wants to know of files and installed programs.
type Machine interface {
	// ReadFile reads a file that is not larger than a manifest or a script usually is.
	ReadFile(path string) ([]byte, error)
	IsFile(path string) bool
	IsDir(path string) bool
	// Executable says whether a file has the right to be executed.
	Executable(path string) bool
	// FirstLine returns the first line of a file that begins with #!, without these two characters; else empty.
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
	Set  []string // NAME=VALUE, that the package's script sets; they win over the app's
	Path []string // directories before the others in PATH
	Dir  string   // working directory; empty: the one that was given
	Name string   // that the app gets; empty: AppName tells it
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

// placeholders are the names of those that relevo fills in in a command.
var placeholders = [...]string{"fd", "addr", "slot", "out"}
