// Package runtimes knows the command lines of interpreters, and of programs that start
// other programs, such as env. Parse says which argument is the script, AppName makes the
// app's name, and Resolve turns a script, a package or a package manager's command into
// the command that runs it. They decide from the words and from the files that a Machine
// shows.
//
// The tables of interpreters and of such programs are in tables.go: to add one, add a line
// there.
package runtimes

import (
	"path/filepath"
	"slices"
	"strings"
)

// Invocation is what a command line runs.
type Invocation struct {
	// Program is the index of the program itself, after words that only start it, such as
	// env or "bundle exec".
	Program int
	// Runtime is the interpreter, such as "node" or "python"; empty: the program is not
	// a known interpreter.
	Runtime string
	// Script is the index of the argument that names the file to run: the script of an
	// interpreter, or the program after env. 0: the first word is the program, and there
	// is no script.
	Script int
	// Module is a name that the interpreter looks up by itself: of python -m, a class of java.
	Module string
}

// Parse reads a command line.
func Parse(args []string) Invocation {
	at := Invocation{Program: behindWrappers(args)}
	if at.Program >= len(args) {
		return Invocation{}
	}
	known, ok := runtimeOf(args[at.Program])
	if !ok {
		if word := args[at.Program]; at.Program > 0 && (strings.Contains(word, "/") || isScript(word)) {
			at.Script = at.Program
		}
		return at
	}
	at.Runtime = known.names[0]
	found := scan(known.options, args[at.Program+1:], known.commands)
	at.Module = found.module
	if found.at >= 0 && found.module == "" && !found.code {
		at.Script = at.Program + 1 + found.at
		if known.classes && !found.named {
			at.Module, at.Script = args[at.Script], 0
		}
	}
	return at
}

func runtimeOf(program string) (runtime, bool) {
	name := baseName(program)
	i := slices.IndexFunc(runtimes[:], func(r runtime) bool { return slices.Contains(r.names, name) })
	if i < 0 {
		return runtime{}, false
	}
	return runtimes[i], true
}

// baseName is the name of a program without its version: python3.11 is python.
func baseName(program string) string {
	return strings.TrimRight(filepath.Base(program), "-.0123456789")
}

// behindWrappers is the index of the first word that is not a program that only starts another.
func behindWrappers(args []string) int {
	at := 0
	for at < len(args) {
		if becomesItsArguments(args[at:]) {
			at += 4
			continue
		}
		i := slices.IndexFunc(wrappers[:], func(w wrapper) bool { return w.name == baseName(args[at]) })
		if i < 0 {
			return at
		}
		next, ok := wrappers[i].next(args[at+1:])
		if !ok {
			return at
		}
		at += 1 + next
	}
	return 0
}

// becomesItsArguments recognises sh -c 'TEXT && exec "$@"' sh PROGRAM.
func becomesItsArguments(args []string) bool {
	if len(args) < 5 || args[1] != "-c" || !strings.HasSuffix(args[2], becomesArguments) {
		return false
	}
	shell, ok := runtimeOf(args[0])
	return ok && shell.names[0] == "sh"
}

// next is the index of the program among a wrapper's arguments. It returns false if the
// arguments name no program.
func (w wrapper) next(args []string) (int, bool) {
	found := scan(w.options, args, nil)
	at := found.at
	if at < 0 || found.code {
		return 0, false
	}
	if w.command != "" {
		if args[at] != w.command {
			return 0, false
		}
		rest := scan(w.options, args[at+1:], nil)
		if rest.at < 0 {
			return 0, false
		}
		at += 1 + rest.at
	}
	for at < len(args) && w.assigns && strings.Contains(args[at], "=") {
		at++
	}
	at += w.words
	return at, at < len(args)
}

// found is the result of a scan of options.
type found struct {
	at     int  // index of the first word that is no option, or of the script that an option names; -1: none
	named  bool // an option names the script
	code   bool
	module string
}

// scan reads the options before the first word.
func scan(o options, args, commands []string) found {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch name, _, assigned := strings.Cut(arg, "="); {
		case arg == "--":
			return first(args, i+1)
		case arg == "-":
			return found{at: -1, code: true} // the code comes from stdin
		case !strings.HasPrefix(arg, "-") && !(o.plus && strings.HasPrefix(arg, "+")):
			if slices.Contains(commands, arg) {
				commands = nil
				continue
			}
			return first(args, i)
		case slices.Contains(o.code, name):
			return found{at: -1, code: true}
		case slices.Contains(o.script, name) && !assigned:
			end := first(args, i+1)
			end.named = true
			return end
		case slices.Contains(o.module, name) && !assigned:
			return module(args, i+1)
		case slices.Contains(o.valued, name):
			if !assigned {
				i++
			}
		case strings.HasPrefix(arg, "--") || o.letters == "" && o.codeLetters == "":
		default:
			done, skip := o.cluster(args, i)
			if done != nil {
				return *done
			}
			i += skip
		}
	}
	return found{at: -1}
}

func first(args []string, at int) found {
	if at >= len(args) {
		return found{at: -1}
	}
	return found{at: at}
}

func module(args []string, at int) found {
	if at >= len(args) {
		return found{at: -1}
	}
	return found{at: at, module: args[at]}
}

// cluster reads short options in one word, as in -euo pipefail or -um app.
func (o options) cluster(args []string, at int) (done *found, skip int) {
	letters := strings.TrimLeft(args[at], "-+")
	for i, letter := range letters {
		rest := letters[i+1:]
		switch {
		case strings.ContainsRune(o.codeLetters, letter):
			return &found{at: -1, code: true}, 0
		case strings.ContainsRune(o.moduleLetters, letter) && rest != "":
			return &found{at: at, module: rest}, 0
		case strings.ContainsRune(o.moduleLetters, letter):
			end := module(args, at+1)
			return &end, 0
		case strings.ContainsRune(o.letters, letter) && rest == "":
			return nil, 1
		case strings.ContainsRune(o.letters, letter), strings.ContainsRune(o.attached, letter):
			return nil, 0
		}
	}
	return nil, 0
}

// Interprets says whether a program is a known interpreter, or a program that only starts
// another. In both cases the program's own bytes are not the app's.
func Interprets(program string) bool {
	_, ok := runtimeOf(program)
	return ok || slices.ContainsFunc(wrappers[:], func(w wrapper) bool { return w.name == baseName(program) })
}

// ScriptFiles lists the files that a runtime tries if the script is not a file: it may be
// a directory, or a name without its ending.
func ScriptFiles(runtime, script string) []string {
	switch runtime {
	case "node", "bun", "tsx":
		return []string{script + ".js", script + ".cjs", script + ".mjs", script + ".ts", script + "/index.js",
			script + "/index.mjs", script + "/index.ts"}
	case "python":
		return []string{script + "/__main__.py"}
	}
	return nil
}

// ModuleFiles lists the files, relative to the working directory, in which a runtime looks
// for a module of the app.
func ModuleFiles(runtime, module string) []string {
	if runtime != "python" {
		return nil
	}
	path := strings.ReplaceAll(module, ".", "/")
	return []string{path + "/__main__.py", path + ".py"}
}
