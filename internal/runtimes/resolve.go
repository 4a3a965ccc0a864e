package runtimes

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Resolve returns the command for a script, for the directory of a package, or for a
// command of a package manager. Any other command is returned unchanged. address is the
// address of the first TCP listener; empty: there is none.
func Resolve(m Machine, dir, address string, args []string) (Command, error) {
	c, err := resolve(m, dir, address, args)
	if err == nil {
		c.Notes = append(c.Notes, nodeNotes(m, dir, c)...)
	}
	return c, err
}

func resolve(m Machine, dir, address string, args []string) (Command, error) {
	if len(args) == 0 || args[0] == "" {
		return Command{Args: args}, nil
	}
	word := args[0]
	path, scripted := under(dir, word), slices.Contains(runnableEndings[:], filepath.Ext(word))
	switch {
	case !strings.Contains(word, "/") && m.Find(word) != "": // a program in PATH
	case m.IsDir(path):
		return directory(m, dir, path, args[1:])
	case !m.IsFile(path):
		if scripted {
			return Command{}, missing(m, dir, word)
		}
	case m.FirstLine(path) != "" && m.Executable(path):
		if !strings.Contains(word, "/") {
			word = "./" + word
		}
		c := Command{Args: append([]string{word}, args[1:]...)}
		if scripted {
			c.Name = scriptName(dir, word)
		}
		return c, nil
	case m.FirstLine(path) != "" || scripted && !isProgram(m, path):
		c, err := scriptCommand(m, dir, address, args)
		c.Name = scriptName(dir, word)
		return c, err
	}
	return Managed(m, dir, args)
}

// IsRunnable says whether Resolve makes a command of a word: it names a script, the
// directory of a package, or a package manager.
func IsRunnable(m Machine, dir, word string) bool {
	path := under(dir, word)
	switch {
	case m.IsDir(path):
		return m.IsFile(filepath.Join(path, "package.json"))
	case isManager(word), slices.Contains(runnableEndings[:], filepath.Ext(word)):
		return true
	}
	return m.IsFile(path) && m.FirstLine(path) != ""
}

// isProgram says whether a file is a program although its name has the ending of a script.
func isProgram(m Machine, path string) bool {
	text, err := m.ReadFile(path)
	return m.Executable(path) && (err != nil || strings.HasPrefix(string(text), "\x7fELF"))
}

// scriptName is the name of an app with this script.
func scriptName(dir, script string) string { return AppName([]string{"sh", script}, dir) }

// directory runs the start script of the package in a directory.
func directory(m Machine, dir, path string, args []string) (Command, error) {
	if !m.IsFile(filepath.Join(path, "package.json")) {
		return Command{}, nameScript(m, path, "cannot run "+path+
			": it is a directory without a package.json; name the script")
	}
	c, err := packageScript(m, packageRun{manager: "npm", command: "start", name: "start", dir: path, from: dir}, args)
	c.Dir = path
	return c, err
}

// Find returns the script of a directory that has a usual name for the script of an app;
// empty: there is none.
func Find(m Machine, dir string) string {
	for _, script := range appScripts {
		if m.IsFile(filepath.Join(dir, script)) {
			return script
		}
	}
	return ""
}

var appScripts = [...]string{
	"app.py", "main.py", "server.py", "app.js", "server.js", "index.js", "main.js", "app.mjs", "server.mjs", "index.mjs",
	"main.mjs", "app.cjs", "server.cjs", "index.cjs",
	"app.ts", "server.ts", "index.ts", "main.ts", "config.ru", "app.rb", "app.php", "index.php",
}

// runnableEndings are the endings of scripts for which Resolve finds the interpreter.
var runnableEndings = [...]string{".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".py", ".rb", ".ru", ".php", ".sh",
	".pl"}

func missing(m Machine, dir, word string) error {
	for _, place := range []string{"src", "dist", "build", "lib", "app", "bin", "server"} {
		if near := filepath.Join(place, word); !filepath.IsAbs(word) && m.IsFile(under(dir, near)) {
			return fmt.Errorf("cannot find the script %s in %s; did you mean %s?", word, dir, near)
		}
	}
	return fmt.Errorf("cannot find the script %s: there is no file %s; give the script's path", word, under(dir, word))
}
