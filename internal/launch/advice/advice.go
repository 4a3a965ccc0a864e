// Package advice knows programs that people run behind relevo: how each takes over an
// inherited socket, and which of them run another program as their child. From what was
// seen of a worker it derives what to type instead.
package advice

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Command is what a worker runs.
type Command struct {
	Args []string
	Dir  string // working directory
	Path string // of the executable; empty: not known
}

// takeOver says how a program takes over the listener with descriptor FD and
// address ADDRESS.
var takeOver = map[string]string{
	"gunicorn":  "gunicorn takes it over by itself: leave --bind away",
	"uvicorn":   "uvicorn --fd {fd}",
	"hypercorn": "hypercorn --bind fd://{fd}",
	"daphne":    "daphne --fd {fd}",
	"puma":      "puma -b tcp://{addr}",
	"unicorn":   "unicorn takes it over by itself: leave --listen away",
	"node":      "in Node: server.listen({fd: FD})",
	"python":    "in Python: socket.socket(fileno=FD) in place of bind and listen",
	"ruby":      "in Ruby: TCPServer.for_fd(FD)",
	"perl":      "in Perl: open the socket by \"+<&=FD\"",
	"flask":     "flask's own server cannot do that: gunicorn app:app can",
	"php":       "php's own server cannot do that",
}

// takeOverAnyhow is the advice for programs that are not in the table.
const takeOverAnyhow = "a program finds it by LISTEN_FDS, or by a flag with {fd} among its arguments; in Go: " +
	"worker.Serve"

// TakeOver says how the program of a command takes over a listener.
func (c Command) TakeOver(fd int, address string) string {
	text, ok := takeOver[c.program()]
	if !ok {
		return takeOverAnyhow
	}
	return strings.NewReplacer("FD", strconv.Itoa(fd), "ADDRESS", address).Replace(text)
}

// program returns the key of the command's program in the tables: the name of a tool, or of
// a script's interpreter.
func (c Command) program() string {
	args := c.withoutEnv()
	if len(args) == 0 {
		return ""
	}
	name := plain(args[0])
	if name == "python" {
		for i, arg := range args[1:] {
			if arg == "-m" && i+2 < len(args) {
				return known(args[i+2], name)
			}
			if !strings.HasPrefix(arg, "-") {
				return known(plain(arg), name)
			}
		}
		return name
	}
	return known(name, plain(c.interpreter()))
}

// known returns name if a table has it, and otherwise the second argument.
func known(name, otherwise string) string {
	if _, ok := takeOver[name]; ok {
		return name
	}
	if _, ok := wrappers[name]; ok {
		return name
	}
	return otherwise
}

// plain returns a program's name without its directory and version: python for
// /usr/bin/python3.11.
func plain(path string) string {
	name := strings.TrimRight(filepath.Base(path), "-.0123456789")
	if name == "nodejs" {
		return "node"
	}
	return name
}

// withoutEnv returns the arguments without env(1) and its own: the program that env runs
// comes first.
func (c Command) withoutEnv() []string {
	args := c.Args
	if len(args) > 0 && filepath.Base(args[0]) == "env" {
		args = args[1:]
		for len(args) > 0 && (strings.Contains(args[0], "=") || strings.HasPrefix(args[0], "-")) {
			args = args[1:]
		}
	}
	return args
}

// interpreter returns the program that runs the script, empty if the command runs none.
func (c Command) interpreter() string {
	line, rest, _ := strings.Cut(c.head(), "\n")
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || rest == "" || len(words) == 0 {
		return ""
	}
	if filepath.Base(words[0]) == "env" && len(words) > 1 {
		return words[len(words)-1]
	}
	return words[0]
}

// head returns the first bytes of the executable.
func (c Command) head() string { return beginning(c.Path) }

func beginning(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	const most = 64 << 10
	text, _ := bufio.NewReaderSize(file, most).Peek(most)
	return string(text)
}

// find returns the index of the first argument from i on that is no flag, -1 if there is
// none.
func find(args []string, i int) int {
	if i > len(args) {
		return -1
	}
	if at := slices.IndexFunc(args[i:], func(arg string) bool { return !strings.HasPrefix(arg, "-") }); at >= 0 {
		return i + at
	}
	return -1
}
